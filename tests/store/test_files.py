"""The recipe in a PNG and back; limits on what strangers' PNGs make us do; whole files only."""

import io
import os
import random
import struct
import tracemalloc
import zlib

import pytest
from PIL import Image, PngImagePlugin

from studio.errors import BadRecipe, StudioError
from studio.recipe import Request
from studio.store.files import MAX_FILE, MAX_TEXT, png_with_recipe, read_recipe, write_atomic

RECIPE = Request(model="icons-unet", prompt="猫 “crème”\n\t\\ \U0001f680", seed=7).to_json()


def png(**options) -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").resize((16, 16)).save(buffer, "PNG", **options)
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG with one more chunk before its end."""
    return png()[:-12] + chunk(kind, body) + png()[-12:]


def test_the_recipe_comes_back_letter_for_letter():
    assert read_recipe(png_with_recipe(png(), RECIPE)) == RECIPE


def test_the_request_comes_back():
    request = Request.from_json(RECIPE)
    assert Request.from_json(read_recipe(png_with_recipe(png(), request.to_json()))) == request


def test_the_pixels_stay():
    before, after = (Image.open(io.BytesIO(data)) for data in (png(), png_with_recipe(png(), "{}")))
    assert before.tobytes() == after.tobytes()


def test_pil_reads_the_recipe_too():
    assert Image.open(io.BytesIO(png_with_recipe(png(), RECIPE))).text["xt-studio"] == RECIPE


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("international", [False, True])
def test_recipes_that_pil_wrote_are_read(zipped, international):
    info = PngImagePlugin.PngInfo()
    add = info.add_itxt if international else info.add_text
    add("xt-studio", '{"prompt":"café"}', zip=zipped)
    assert read_recipe(png(pnginfo=info)) == '{"prompt":"café"}'


def test_a_new_recipe_takes_the_place_of_the_old():
    twice = png_with_recipe(png_with_recipe(png(), "{}"), RECIPE)
    assert read_recipe(twice) == RECIPE
    assert len(twice) == len(png_with_recipe(png(), RECIPE))


def test_other_texts_stay_in_the_picture():
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "somebody")
    marked = png_with_recipe(png(pnginfo=info), RECIPE)
    assert Image.open(io.BytesIO(marked)).text["Author"] == "somebody"


def test_a_picture_without_a_recipe_has_none():
    assert read_recipe(png()) is None


def test_a_path_is_read(tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(png_with_recipe(png(), RECIPE))
    assert read_recipe(str(file)) == read_recipe(file) == RECIPE


@pytest.mark.parametrize("data", [b"", b"text", b"\xff\xd8\xff\xe0", b"<svg/>"])
def test_what_is_not_a_png_is_refused(data):
    with pytest.raises(BadRecipe, match="not one"):
        read_recipe(data)


def test_a_png_cut_at_any_place_is_refused():
    whole = png_with_recipe(png(), RECIPE)
    for length in range(8, len(whole), 7):
        with pytest.raises(BadRecipe):
            read_recipe(whole[:length])


def test_a_recipe_with_a_wrong_checksum_is_refused():
    marked = bytearray(png_with_recipe(png(), RECIPE))
    marked[marked.index(b"icons-unet")] ^= 1
    with pytest.raises(BadRecipe, match="damaged"):
        read_recipe(bytes(marked))


def test_two_recipes_are_refused():
    marked = png_with_recipe(png(), RECIPE)
    both = marked[:-12] + chunk(b"tEXt", b"xt-studio\0{}") + marked[-12:]
    with pytest.raises(BadRecipe, match="more than one"):
        read_recipe(both)


@pytest.mark.parametrize(
    "kind, body",
    [
        (b"iTXt", b"xt-studio\0\0\0\0\0\xff\xfe"),  # not UTF-8
        (b"iTXt", b"xt-studio\0\2\0\0\0{}"),  # no such compression flag
        (b"iTXt", b"xt-studio\0\0\0"),  # ends within its fields
        (b"iTXt", b"xt-studio\0\1\0\0\0not deflated"),
        (b"zTXt", b"xt-studio\0\0not deflated"),
        (b"zTXt", b"xt-studio\0\7" + zlib.compress(b"{}")),  # no such method
    ],
)
def test_a_chunk_that_breaks_its_format_is_refused(kind, body):
    with pytest.raises(BadRecipe):
        read_recipe(with_chunk(kind, body))


@pytest.mark.parametrize("kind, head", [(b"zTXt", b"\0"), (b"iTXt", b"\1\0\0\0")])
def test_a_zip_bomb_is_refused_without_being_unpacked(kind, head):
    bomb = zlib.compress(bytes(64 * 2**20), 9)
    picture = with_chunk(kind, b"xt-studio\0" + head + bomb)
    tracemalloc.start()
    try:
        with pytest.raises(BadRecipe, match="longer than any"):
            read_recipe(picture)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_a_long_text_is_refused():
    with pytest.raises(BadRecipe, match="longer than any"):
        read_recipe(with_chunk(b"tEXt", b"xt-studio\0" + b" " * (MAX_TEXT + 1)))


def test_a_long_recipe_is_not_written():
    with pytest.raises(BadRecipe, match="too long"):
        png_with_recipe(png(), " " * (MAX_TEXT + 1))


def test_a_huge_file_is_not_searched(tmp_path):
    file = tmp_path / "huge.png"
    with file.open("wb") as out:
        out.write(png())
        out.truncate(MAX_FILE + 1)
    with pytest.raises(BadRecipe, match="larger than 64 MB"):
        read_recipe(file)


def test_endless_chunks_are_refused():
    with pytest.raises(BadRecipe, match="damaged"):
        read_recipe(png()[:33] + chunk(b"teSt", b"") * 100_001 + png()[33:])


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "none.png", "a\0b"):
        with pytest.raises(BadRecipe):
            read_recipe(path)


def mutated(draw: random.Random, data: bytes) -> bytes:
    """A few bytes changed, cut or doubled; half the time with the checksums put right again."""
    data = bytearray(data)
    for _ in range(draw.randint(1, 5)):
        at = draw.randrange(8, len(data))
        what = draw.random()
        if what < 0.6:
            data[at] = draw.randrange(256)
        elif what < 0.8:
            del data[at : at + draw.randint(1, 20)]
        else:
            data[at:at] = data[at : at + draw.randint(1, 20)]
    if draw.random() < 0.5:
        at = 8
        while at + 12 <= len(data):
            end = at + 12 + int.from_bytes(data[at : at + 4], "big")
            if end > len(data):
                break
            data[end - 4 : end] = zlib.crc32(data[at + 4 : end - 4]).to_bytes(4, "big")
            at = end
    return bytes(data)


def test_mutated_pngs_give_a_text_or_a_sentence_and_nothing_else():
    draw = random.Random(1)
    info = PngImagePlugin.PngInfo()
    info.add_itxt("xt-studio", RECIPE, zip=True)
    seeds = [png_with_recipe(png(), RECIPE), png(pnginfo=info)]
    outcomes = {"text": 0, "none": 0, "refused": 0}
    for round_ in range(10_000):
        try:
            text = read_recipe(mutated(draw, seeds[round_ % 2]))
        except BadRecipe:
            outcomes["refused"] += 1
            continue
        outcomes["none" if text is None else "text"] += 1
        if text is not None:
            assert isinstance(text, str) and len(text) <= MAX_TEXT
            try:
                Request.from_json(text)
            except BadRecipe as error:
                assert len(str(error)) < 300
    assert min(outcomes.values()) > 50, outcomes


def test_a_file_is_written_whole(tmp_path):
    write_atomic(tmp_path / "a.bin", b"one")
    write_atomic(tmp_path / "a.bin", b"two")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"a.bin": b"two"}


def test_a_failed_write_leaves_the_old_file_and_no_draft(tmp_path, monkeypatch):
    write_atomic(tmp_path / "a.bin", b"old")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StudioError, match=r"a\.bin could not be written \(No space left"):
        write_atomic(tmp_path / "a.bin", b"new")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"a.bin": b"old"}


def test_the_file_is_on_disk_before_it_has_its_name(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("fsync"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda *names: (order.append("rename"), replace(*names)))
    write_atomic(tmp_path / "a.bin", b"data")
    assert order[:2] == ["fsync", "rename"]


def test_a_missing_folder_is_named_in_a_sentence(tmp_path):
    with pytest.raises(StudioError, match="could not be written"):
        write_atomic(tmp_path / "none" / "a.bin", b"")
