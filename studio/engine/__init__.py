"""The device's one owner: runs go in, events come out."""
