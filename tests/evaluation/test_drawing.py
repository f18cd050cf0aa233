"""Pictures are drawn once: what is in the folder is not drawn again, unless the weights change."""

import numpy as np
import pytest

from studio.contract import Failed, Finished, PreviewCard, Request
from studio.errors import StudioError
from studio.evaluation.drawing import Easel, weights_of
from studio.imaging.encode import png


class Engine:
    """Draws the seed as a grey value; may fail from some seed on."""

    def __init__(self, last: int = 255) -> None:
        self.drawn, self.last, self.runs = [], last, {}

    def submit(self, request, view):
        self.runs[str(len(self.runs))] = request
        return str(len(self.runs) - 1)

    def events(self, run):
        seed = self.runs[run].seed
        if seed > self.last:
            yield Failed(run, "There was no room.")
            return
        self.drawn.append(seed)
        picture = png(np.full((8, 8, 3), seed, np.uint8))
        card = PreviewCard("off", 0.0, 0.0, None)
        yield Finished(run, self.runs[run], (picture,), ("",), "", 1, 1, float(seed), (), 0, card)

    def forget(self, run):
        pass


def requests(*seeds: int) -> list[Request]:
    return [Request("some", "a star", seed=seed) for seed in seeds]


def test_what_was_drawn_before_an_interruption_is_not_drawn_again(tmp_path):
    broken, whole = Engine(last=20), Engine()
    wanted = requests(*range(15), 30)
    with pytest.raises(StudioError, match="no room"):
        Easel(broken, tmp_path, "w", print).draw(wanted, "stars")
    pictures = Easel(whole, tmp_path, "w", print).draw(wanted, "stars")
    assert [int(p[0, 0, 0]) for p in pictures] == [*range(15), 30]
    assert whole.drawn == [30]


def test_other_weights_draw_anew_and_a_request_that_is_asked_twice_is_drawn_once(tmp_path):
    engine = Engine()
    Easel(engine, tmp_path, "old", print).draw(requests(1, 1), "stars")
    Easel(engine, tmp_path, "new", print).draw(requests(1), "stars")
    assert engine.drawn == [1, 1]


def test_seconds_are_of_fresh_runs_alone_without_the_first(tmp_path):
    engine = Engine()
    easel = Easel(engine, tmp_path, "w", print)
    easel.draw(requests(5, 6, 7), "stars")
    figure = easel.timed(requests(5)[0], 2)
    assert (figure.value, figure.n, figure.more["least"], figure.more["most"]) == (6.5, 2, 6.0, 7.0)
    assert all(request.alone for request in list(engine.runs.values())[3:])


def test_the_name_of_weights_follows_their_bytes_and_not_the_card(tmp_path):
    (tmp_path / "unet").mkdir()
    weights = tmp_path / "unet" / "a.safetensors"
    weights.write_bytes(b"one")
    first = weights_of(tmp_path)
    (tmp_path / "README.md").write_text("good")
    (tmp_path / "eval.json").write_text("{}")
    assert weights_of(tmp_path) == first
    weights.write_bytes(b"two")
    assert weights_of(tmp_path) != first
