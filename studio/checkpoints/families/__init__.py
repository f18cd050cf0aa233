"""One file per family of checkpoints."""
