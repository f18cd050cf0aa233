"""The tiny world of the training's tests."""

from tests.training.conftest import icons, packed, world

__all__ = ["icons", "packed", "world"]
