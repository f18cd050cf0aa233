import numpy as np
import pytest
from PIL import Image

from studio.imaging.fit import cut


def stripes(width, height, across):
    """Columns (or rows) count up, so that a cut can be told by its values."""
    line = np.linspace(0, 255, width if across else height).round()
    grid = np.tile(line, (height, 1)) if across else np.tile(line[:, None], (1, width))
    return Image.fromarray(np.repeat(grid[..., None], 3, -1).astype(np.uint8))


@pytest.mark.parametrize("size", [(64, 64), (100, 40), (41, 97), (1, 300)])
@pytest.mark.parametrize("wanted", [(32, 32), (64, 32), (8, 40)])
def test_any_picture_gets_the_size_of_the_run(size, wanted):
    assert cut(Image.new("RGB", size), *wanted).shape == (wanted[1], wanted[0], 3)


def test_the_middle_is_kept_and_nothing_is_squeezed():
    wide = cut(stripes(200, 100, across=True), 100, 100)
    assert np.abs(wide[:, :, 0].astype(float) - np.linspace(64, 191, 100)).max() < 2
    tall = cut(stripes(100, 200, across=False), 100, 100)
    assert np.abs(tall[:, :, 0].astype(float) - np.linspace(64, 191, 100)[:, None]).max() < 2


def test_a_picture_of_that_size_stays_as_it_is():
    picture = stripes(32, 32, across=True)
    assert np.array_equal(cut(picture, 32, 32), np.array(picture))
