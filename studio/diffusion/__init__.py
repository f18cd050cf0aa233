"""The mathematics of diffusion: no files, no pictures, no checkpoints."""
