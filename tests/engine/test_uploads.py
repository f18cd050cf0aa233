import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from studio.engine.uploads import Uploads
from studio.errors import BadPicture, NotFound
from studio.imaging.pictures import open_picture


def encoded(image, kind="PNG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def noise(seed, side=24):
    values = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return Image.fromarray(values)


def test_a_picture_is_found_by_the_hash_of_its_pixels():
    uploads, image = Uploads(), noise(0)
    id = uploads.keep(encoded(image))
    assert id == hashlib.sha256(b"24x24:" + np.array(image).tobytes()).hexdigest()
    assert np.array_equal(np.array(open_picture(uploads.png(id))), np.array(image))


def test_the_same_pixels_in_another_file_are_the_same_picture():
    uploads, image = Uploads(), noise(1)
    assert uploads.keep(encoded(image)) == uploads.keep(encoded(image, "WEBP", lossless=True))


def test_the_least_recently_used_picture_leaves():
    files = [encoded(noise(seed)) for seed in range(3)]
    uploads = Uploads(limit=len(files[0]) + len(files[2]) + 100)
    first, second = uploads.keep(files[0]), uploads.keep(files[1])
    uploads.png(first)
    uploads.keep(files[2])
    uploads.png(first)
    with pytest.raises(NotFound, match="give it again"):
        uploads.png(second)


def test_a_huge_picture_is_kept_smaller():
    uploads = Uploads()
    id = uploads.keep(encoded(Image.new("RGB", (4000, 1000), "red")))
    assert open_picture(uploads.png(id)).size == (2048, 512)


def test_what_is_no_picture_is_refused():
    with pytest.raises(BadPicture):
        Uploads().keep(b"GIF89a")
