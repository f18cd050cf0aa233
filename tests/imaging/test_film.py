import io

import av
import numpy as np
import pytest
from PIL import Image

from studio.imaging import film

FRAMES = [np.full((48, 64, 3), (20 * k, 255 - 20 * k, 90), np.uint8) for k in range(6)]


def gif_frames():
    picture = Image.open(io.BytesIO(film.gif(FRAMES)))
    out = []
    for k in range(picture.n_frames):
        picture.seek(k)
        shown = np.asarray(picture.convert("RGB")).astype(int)
        out.append((shown, picture.info["duration"], picture.info.get("loop")))
    return out


def test_a_gif_has_every_frame_in_its_colours_and_loops():
    found = gif_frames()
    assert len(found) == 6 and found[0][2] == 0
    for (shown, _, _), frame in zip(found, FRAMES, strict=True):
        assert abs(shown - frame).mean() < 8


def test_a_gif_holds_its_last_frame():
    durations = [duration for _, duration, _ in gif_frames()]
    assert durations == [500] * 5 + [1200]


@pytest.mark.parametrize("count", [2, 13, 50, film.MOST])
def test_a_film_of_any_length_takes_the_same_time(count):
    frames = [np.full((16, 16, 3), 255 * k // count, np.uint8) for k in range(count)]
    picture, milliseconds = Image.open(io.BytesIO(film.gif(frames))), 0
    for k in range(picture.n_frames):
        picture.seek(k)
        milliseconds += picture.info["duration"]
    assert milliseconds == 3700
    with av.open(io.BytesIO(film.mp4(frames))) as container:
        assert len(list(container.decode(video=0))) == 111


@pytest.fixture(scope="module")
def movie():
    data = film.mp4(FRAMES)
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        return data, stream.codec_context.name, stream.codec_context.pix_fmt, frames


def test_an_mp4_is_what_browsers_play(movie):
    data, codec, pixels, _ = movie
    assert (codec, pixels) == ("h264", "yuv420p")
    assert data.index(b"moov") < data.index(b"mdat")


def test_an_mp4_lasts_as_long_as_it_should_and_shows_first_and_last(movie):
    frames = movie[3]
    wanted = film.RATE * (film.SECONDS + film.HOLD)
    assert len(frames) == pytest.approx(wanted, abs=3)
    for found, frame in ((frames[0], FRAMES[0]), (frames[-1], FRAMES[-1])):
        assert abs(found.astype(int) - frame).mean() < 6


def test_odd_sides_are_cut():
    data = film.mp4([np.zeros((33, 35, 3), np.uint8)])
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        assert (stream.height, stream.width) == (32, 34)


@pytest.mark.parametrize("write", film.FILMS.values())
def test_a_run_of_one_step_is_a_film_too(write):
    assert len(write(FRAMES[:1])) > 100


def test_small_pictures_are_enlarged_and_large_ones_are_not():
    assert film.enlarged(np.zeros((128, 128, 3), np.uint8), "x0").shape == (384, 384, 3)
    assert film.enlarged(np.zeros((512, 512, 3), np.uint8), "xt").shape == (512, 512, 3)
