"""What the studio costs and how exact it is; each module runs with `python -m`."""
