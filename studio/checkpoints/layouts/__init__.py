"""What a checkpoint's files say of it, one file per layout: JSON and headers, no torch."""
