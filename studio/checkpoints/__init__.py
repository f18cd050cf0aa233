"""From a folder to a loaded checkpoint: what is there, whether it is safe, and how it is run."""
