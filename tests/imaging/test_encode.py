import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from studio.imaging.encode import (
    enlarge_lanczos,
    enlarge_nearest,
    jpeg,
    pixels_sha256,
    png,
    psnr,
)

RGB = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)


def test_png_keeps_every_byte():
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png(RGB)))), RGB)


def test_jpeg_is_a_jpeg_of_the_same_size():
    picture = Image.open(io.BytesIO(jpeg(RGB)))
    assert (picture.format, picture.size) == ("JPEG", (16, 12))


def test_jpeg_keeps_a_plain_colour():
    plain = np.full((16, 16, 3), (200, 60, 30), np.uint8)
    found = np.asarray(Image.open(io.BytesIO(jpeg(plain)))).astype(int)
    assert abs(found - plain).max() <= 3


def test_the_hash_is_of_the_pixels_in_row_order():
    assert pixels_sha256(RGB[:, ::-1]) == hashlib.sha256(RGB[:, ::-1].copy().tobytes()).hexdigest()


def test_nearest_makes_squares():
    large = enlarge_nearest(RGB[None], 3)
    assert large.shape == (1, 36, 48, 3)
    assert np.array_equal(large[0, 3:6, 6:9], np.broadcast_to(RGB[1, 2], (3, 3, 3)))


def test_lanczos_keeps_a_plain_colour_and_enlarges():
    plain = np.full((8, 8, 3), 77, np.uint8)
    large = enlarge_lanczos(plain, 4)
    assert large.shape == (32, 32, 3) and bool((large == 77).all())


def test_psnr_is_ten_log_of_the_mean_square():
    other = RGB.astype(int)
    other = np.where(other < 128, other + 10, other - 10).astype(np.uint8)
    assert psnr(RGB, other) == pytest.approx(10 * np.log10(255**2 / 100))
    assert psnr(RGB, RGB) == 99.0
