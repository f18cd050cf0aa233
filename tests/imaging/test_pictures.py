"""Opening pictures from strangers: what they become, and what is refused in words."""

import io
import os
import random
import struct
import subprocess
import sys
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from studio.errors import BadPicture
from studio.imaging.pictures import MAX_FILE, open_picture, to_jpeg, to_png


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def colours(side: int = 8) -> Image.Image:
    """Left half red, right half blue: shows turns, swapped channels and loss of colour."""
    image = Image.new("RGB", (side, side), "red")
    image.paste("blue", (side // 2, 0, side, side))
    return image


def huge_png(width: int = 13_000, height: int = 13_000) -> bytes:
    """A whole PNG of one bit a pixel, about 20 KB, that decodes to 169 megapixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width + 7) // 8 + 1) * height, 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def pixel(image: Image.Image, x: int = 0, y: int = 0) -> tuple[int, int, int]:
    return image.getpixel((x, y))


@pytest.mark.parametrize("kind, options", [("PNG", {}), ("WEBP", {"lossless": True})])
def test_lossless_kinds_give_the_same_pixels(kind, options):
    opened = open_picture(encoded(colours(), kind, **options))
    assert (opened.mode, opened.tobytes()) == ("RGB", colours().tobytes())


def test_a_jpeg_gives_nearly_the_same_pixels():
    opened = open_picture(encoded(colours(16), "JPEG", quality=95, subsampling=0))
    assert np.abs(np.asarray(opened, int) - np.asarray(colours(16), int)).max() <= 8


def test_a_path_gives_what_its_content_gives(tmp_path):
    file = tmp_path / "picture.txt"  # the name says nothing
    file.write_bytes(encoded(colours()))
    assert open_picture(str(file)).tobytes() == open_picture(file).tobytes() == colours().tobytes()


def test_transparency_is_composited_on_white():
    half = Image.new("RGBA", (2, 2), (0, 0, 255, 0))
    half.putpixel((0, 0), (0, 0, 255, 255))
    half.putpixel((1, 0), (0, 0, 0, 51))
    opened = open_picture(encoded(half))
    assert [pixel(opened, *at) for at in [(0, 0), (1, 0), (0, 1)]] == [
        (0, 0, 255),
        (204, 204, 204),  # 255 × (1 - 51/255)
        (255, 255, 255),
    ]


def test_grey_with_transparency_is_composited_on_white():
    assert pixel(open_picture(encoded(Image.new("LA", (2, 2), (0, 51))))) == (204, 204, 204)


@pytest.mark.parametrize("mode, key, expected", [("RGB", (255, 0, 0), (255, 255, 255))])
def test_a_transparent_colour_is_composited_on_white(mode, key, expected):
    opened = open_picture(encoded(colours(), transparency=key))
    assert (pixel(opened, 0), pixel(opened, 7)) == (expected, (0, 0, 255))


def test_a_palette_with_transparency_is_composited_on_white():
    palette = Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 0, 255, 0])
    palette.putpixel((1, 0), 1)
    opened = open_picture(encoded(palette, transparency=0))
    assert (pixel(opened, 0), pixel(opened, 1)) == ((255, 255, 255), (0, 255, 0))


def test_one_bit_and_grey_become_rgb():
    for mode in ("1", "L"):
        assert pixel(open_picture(encoded(Image.new(mode, (2, 2), 255)))) == (255, 255, 255)


def test_sixteen_bit_grey_is_scaled_not_clipped():
    deep = Image.fromarray(np.array([[0, 257, 32_896, 65_535]], dtype=np.uint16))
    assert np.asarray(open_picture(encoded(deep)))[0, :, 0].tolist() == [0, 1, 128, 255]


def test_cmyk_becomes_rgb():
    ink = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    red, green, blue = pixel(open_picture(encoded(ink, "JPEG", quality=95)))
    assert red > 200
    assert max(green, blue) < 60


@pytest.mark.parametrize("kind, options", [("JPEG", {"quality": 95}), ("PNG", {}), ("WEBP", {})])
def test_exif_orientation_is_applied(kind, options):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated clockwise by 90°
    opened = open_picture(encoded(colours(16).resize((32, 16)), kind, exif=exif, **options))
    assert opened.size == (16, 32)
    top, bottom = pixel(opened, 8, 4), pixel(opened, 8, 28)
    assert top[0] > 200 > 60 > top[2]
    assert bottom[2] > 200 > 60 > bottom[0]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_exif_that_does_not_parse_is_passed_over():
    opened = open_picture(encoded(colours(), exif=b"Exif\0\0II*\0\xff\xff\xff\xff"))
    assert opened.tobytes() == colours().tobytes()


def test_the_first_frame_of_an_animation_is_opened():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    for kind in ("PNG", "WEBP"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
        assert pixel(open_picture(data))[0] > 200


def test_metadata_stays_behind():
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    opened = open_picture(encoded(colours(), exif=exif))
    assert opened.info == {}
    assert b"where I live" not in to_png(opened) + to_jpeg(opened)


def test_a_169_megapixel_png_is_refused_before_it_is_decoded():
    bomb = huge_png()
    assert len(bomb) < 25_000
    with pytest.raises(BadPicture, match=r"13000×13000 pixels \(169 megapixels\)"):
        open_picture(bomb)


def test_sixteen_megapixels_are_the_limit():
    assert open_picture(huge_png(4096, 4096)).size == (4096, 4096)
    with pytest.raises(BadPicture, match="megapixels"):
        open_picture(huge_png(4096, 4097))


def test_a_huge_jpeg_is_refused():
    data = bytearray(encoded(colours(16), "JPEG"))
    at = data.index(b"\xff\xc0") + 5  # SOF0: length, precision, then height and width
    data[at : at + 4] = struct.pack(">HH", 60_000, 60_000)
    with pytest.raises(BadPicture, match="megapixels"):
        open_picture(bytes(data))


@pytest.mark.parametrize("head", [b"VP8X", b"VP8L", b"VP8 "])
def test_a_huge_webp_is_refused_by_its_header_alone(head):
    body = {
        b"VP8X": bytes(4) + b"\xff\x3f\0" * 2,
        b"VP8L": b"\x2f" + (0x3FFF | 0x3FFF << 14).to_bytes(4, "little"),
        b"VP8 ": b"\0\0\0\x9d\x01\x2a\xff\x3f\xff\x3f",
    }[head]
    data = b"RIFF" + bytes(4) + b"WEBP" + head + len(body).to_bytes(4, "little") + body
    with pytest.raises(BadPicture, match=r"1638[34]×1638[34]"):
        open_picture(data)


def test_a_jpeg_of_endless_scans_is_refused():
    data = encoded(colours(16), "JPEG", progressive=True)
    scan = data[data.index(b"\xff\xda") : -2]
    with pytest.raises(BadPicture, match="JPEG file is damaged"):
        open_picture(data[:-2] + scan * 5000 + b"\xff\xd9")


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>'


@pytest.mark.parametrize(
    "data",
    [b"", b"\x89PNG", b"this is text, whatever its name", SVG, b"%PDF-1.7", b"\0" * 4096]
    + [encoded(colours(), kind) for kind in ("GIF", "BMP", "TIFF", "PPM", "ICO")],
)
def test_other_files_are_refused_in_words(data):
    with pytest.raises(BadPicture, match="not a PNG, JPEG or WebP picture"):
        open_picture(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_truncated_files_are_refused_at_every_length(kind):
    noise = Image.effect_noise((48, 48), 90).convert("RGB")
    data = encoded(noise, kind)
    for length in {4, 12, 16, 30, len(data) // 4, len(data) // 2, len(data) * 9 // 10}:
        with pytest.raises(BadPicture, match=r"damaged or cut short|not a PNG|no pixels"):
            open_picture(data[:length])


def test_a_file_that_is_too_large_is_refused():
    with pytest.raises(BadPicture, match="larger than 64 MB"):
        open_picture(b"\x89PNG\r\n\x1a\n" + bytes(MAX_FILE))


@pytest.mark.parametrize("make", ["missing", "folder", "pipe", "nul"])
def test_what_is_not_a_regular_file_is_refused(make, tmp_path):
    path = tmp_path / "thing.png"
    if make == "folder":
        path.mkdir()
    elif make == "pipe":
        os.mkfifo(path)
    elif make == "nul":
        path = tmp_path / "a\0b.png"
    with pytest.raises(BadPicture, match=r"no such picture file|cannot be read"):
        open_picture(path)


def test_mutated_pictures_open_or_are_refused_and_nothing_else():
    draw = random.Random(0)
    noise = Image.effect_noise((24, 24), 90).convert("RGB")
    seeds = [
        encoded(noise, "PNG"),
        encoded(noise.convert("P"), "PNG"),
        encoded(noise, "JPEG"),
        encoded(noise, "JPEG", progressive=True),
        encoded(noise, "WEBP"),
        encoded(noise, "WEBP", lossless=True, exif=b"Exif\0\0II*\0\x08\0\0\0"),
    ]
    opened = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PIL's remarks on damaged EXIF
        for round_ in range(3000):
            data = bytearray(seeds[round_ % len(seeds)])
            for _ in range(draw.randint(1, 6)):
                at = draw.randrange(8, len(data))
                data[at] = draw.randrange(256)
            if draw.random() < 0.2:
                del data[draw.randrange(len(data)) :]
            try:
                image = open_picture(bytes(data))
            except BadPicture:
                continue
            assert image.mode == "RGB"
            opened += 1
    assert 100 < opened < 2900  # both ends of the road were walked


def test_png_and_jpeg_come_back(tmp_path):
    assert open_picture(to_png(colours())).tobytes() == colours().tobytes()
    assert open_picture(to_jpeg(colours(16))).size == (16, 16)


def test_the_guard_makes_pil_itself_refuse(tmp_path):
    file = tmp_path / "bomb.png"
    file.write_bytes(huge_png(4100, 4100))  # just over, where PIL by itself would only warn
    code = (
        "import sys; from PIL import Image; from studio.imaging.pictures import guard_process\n"
        "guard_process()\n"
        "try: Image.open(sys.argv[1])\n"
        "except Image.DecompressionBombWarning: print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True)
    assert done.stdout.strip() == "refused", done.stderr
