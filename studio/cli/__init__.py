"""The headless twins: one module for each command."""
