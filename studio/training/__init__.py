"""The recipes that make the embedded checkpoints, from the icon sets to the exported folders."""
