"""LocalEngine's verbs, on small real checkpoints."""

import io
import subprocess
import sys
from itertools import pairwise

import pytest
from PIL import Image

from studio.checkpoints.families.exact import ExactIcons
from studio.contract import Cancelled, Decoding, Failed, Finished, Loading, Queued, Step, View
from studio.engine import decode
from studio.engine.engine import LocalEngine
from studio.engine.run import PACE
from studio.errors import Busy, NotFound
from studio.imaging import film
from studio.settings import Settings
from tests.engine.watching import events, finish, last, pictures, request, rgb


def test_the_engine_is_made_and_offers_its_choices_without_torch(models):
    program = (
        "import sys\n"
        "from studio.engine.engine import LocalEngine\n"
        "from studio.settings import Settings\n"
        f"engine = LocalEngine(Settings(models=__import__('pathlib').Path({str(models)!r})))\n"
        "assert engine.catalog() and engine.choices().samplers and engine.default_model()\n"
        "assert engine.status() == 'starting the engine'\n"
        "heavy = {'torch', 'diffusers', 'transformers', 'scipy', 'av'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("model", ["shapes", "random"])
def test_a_run_tells_its_story_in_order(engine, model):
    told = events(engine, engine.submit(request(model)))
    kinds = [type(e) for e in told if not isinstance(e, Loading)]
    assert kinds == [Queued, *[Step] * 5, Decoding, Finished]
    assert [e.index for e in told if isinstance(e, Step)] == [0, 1, 2, 3, 4]


def test_steps_carry_numbers_and_pictures_of_x_t_and_x0(engine, monkeypatch):
    monkeypatch.setattr("studio.engine.run.PACE", dict.fromkeys(PACE, 0))
    steps = [e for e in events(engine, engine.submit(request(count=2))) if isinstance(e, Step)]
    assert [s.nfe for s in steps] == [1, 2, 3, 4, 5]
    assert [s.rows for s in steps] == [4, 8, 12, 16, 20]
    assert all(a.level.logsnr < b.level.logsnr for a, b in pairwise(steps))
    assert steps[0].level.share == 1.0
    for s in steps:
        assert [rgb(p).shape for p in s.xt] == [(8, 8, 3)] * 2  # a pixel for each position
        assert [rgb(p).shape for p in s.x0] == [(64, 64, 3)] * 2
        assert s.step_ms >= s.forward_ms > 0


def test_previews_that_cost_more_than_the_steps_are_drawn_less_often(engine, monkeypatch):
    monkeypatch.setattr("studio.engine.run.PACE", dict.fromkeys(PACE, 1e6))
    steps = [e for e in events(engine, engine.submit(request())) if isinstance(e, Step)]
    assert [len(s.x0) for s in steps] == [len(s.xt) for s in steps] == [1, 0, 0, 0, 1]


def test_anatomy_adds_both_guesses_and_their_distance(engine):
    run = engine.submit(request(), View(anatomy=True))
    step = next(e for e in events(engine, run) if isinstance(e, Step))
    assert len(step.cond) == len(step.uncond) == 1 and step.delta > 0


def test_without_previews_steps_carry_numbers_only(engine):
    run = engine.submit(request(), View(preview="off"))
    told = events(engine, run)
    assert all(s.xt == s.x0 == () for s in told if isinstance(s, Step))
    assert told[-1].preview.kind == "off"


@pytest.mark.parametrize("kind", ["tiny", "rgb"])
def test_the_card_says_what_drew_the_previews(engine, kind):
    card = finish(engine, request(), View(preview=kind)).preview
    assert card.kind == kind and card.ms > 0 and card.step_ms > 0 and card.psnr is not None


def test_a_state_that_is_a_picture_is_previewed_exactly(engine):
    card = finish(engine, request("shapes")).preview
    assert (card.kind, card.psnr) == ("exact", 99.0)


def test_the_finished_event_describes_the_run(engine):
    done = finish(engine, request("random", count=2, sampler="heun"))
    assert (done.request.width, done.request.height) == (64, 64)
    assert done.nfe == 9 and done.rows == 36  # two evaluations a step, one in the last
    assert len(done.step_ms) == done.steps_recorded == 5
    assert len(set(done.pixels_sha256)) == len(done.pictures) == 2
    assert len(done.xt_sha256) == 64 and done.seconds > 0


def test_the_exact_checkpoint_draws_what_is_asked_for(engine):
    from tests.engine.tiny import shape_picture

    done = finish(engine, request("shapes", prompt="blue cross", steps=8))
    assert abs(pictures(done)[0] - shape_picture("blue", "cross", 32)).max() <= 1


def test_an_unknown_prompt_is_answered_with_a_note(engine):
    done = finish(engine, request("shapes", prompt="quantum"))
    assert any("Nothing like “quantum”" in note for note in done.notes)
    assert not engine.known("shapes", "quantum").known


def test_known_names_the_nearest_concepts(engine):
    known = engine.known("random", "red disc")
    assert known.known and known.nearest[0][0] == "red disc"
    assert known.nearest[0][1] == pytest.approx(1, abs=1e-5)


def test_cancel_stops_before_the_next_forward_and_decodes_nothing(engine, gate, monkeypatch):
    decoded = []
    monkeypatch.setattr(decode, "picture", lambda *a: decoded.append(a))
    run = engine.submit(request("shapes", steps=50))
    assert gate.reached.wait(30)
    engine.cancel(run)
    gate.opened.set()
    told = events(engine, run)
    assert isinstance(told[-1], Cancelled)
    assert not any(isinstance(e, Step | Decoding) for e in told) and decoded == []


def test_cancelling_twice_or_what_is_not_there_does_nothing(engine):
    run = engine.submit(request("shapes", steps=500))
    engine.cancel(run)
    engine.cancel(run)
    engine.cancel("nobody")
    assert isinstance(last(engine, run), Cancelled)


def test_a_cancelled_run_can_still_be_scrubbed(engine):
    run = engine.submit(request("shapes", steps=900))
    for event in engine.events(run, timeout=60):
        if isinstance(event, Step) and event.index >= 2:
            engine.cancel(run)
    end = last(engine, run)
    assert isinstance(end, Cancelled) and end.steps_recorded >= 3
    assert rgb(engine.frame(run, 2, "x0")).shape == (32, 32, 3)


def test_finish_completes_the_first_picture_only(engine, gate):
    asked = request("shapes", count=3, prompt="", seed=4)
    run = engine.submit(asked)
    assert gate.reached.wait(30)
    engine.finish(run)
    gate.opened.set()
    done = last(engine, run)
    assert done.stopped_early and len(done.pictures) == 1
    assert done.pixels_sha256[0] == finish(engine, asked).pixels_sha256[0]
    with pytest.raises(NotFound):
        engine.frame(run, 0, "x0", picture=1)


def test_two_forwards_never_overlap(models, gate):
    gate.opened.set()
    engine = LocalEngine(Settings(models=models, threads=1)).start(warm=False)
    runs = [engine.submit(request("shapes", seed=k, alone=k % 2 == 0)) for k in range(8)]
    assert all(isinstance(last(engine, run), Finished) for run in runs)
    engine.close()
    assert gate.worst == 1


def test_a_failing_run_ends_alone(engine, monkeypatch):
    original = ExactIcons.decode

    def decode_or_fail(self, x, tiled=False):
        if broken:
            broken.clear()
            raise ValueError("a bug")
        return original(self, x, tiled)

    broken = [True]
    monkeypatch.setattr(ExactIcons, "decode", decode_or_fail)
    runs = [engine.submit(request("shapes", seed=k)) for k in range(3)]
    ends = [last(engine, run) for run in runs]
    assert sorted(type(e).__name__ for e in ends) == ["Failed", "Finished", "Finished"]
    message = next(e.message for e in ends if isinstance(e, Failed))
    assert "try it again" in message and "a bug" not in message  # that is the log's


def test_a_run_that_breaks_a_shared_forward_does_not_take_the_others_along(
    engine, gate, monkeypatch
):
    original = ExactIcons.predict

    def predict(self, x, t, conditions):
        if bool((conditions["log_weights"] == -7).any()):
            raise RuntimeError("a poisoned row")
        return original(self, x, t, conditions)

    encode = ExactIcons.encode
    monkeypatch.setattr(
        ExactIcons,
        "encode",
        lambda self, row: (
            {"log_weights": encode(self, row)["log_weights"] * 0 - 7}
            if row.text == "poison"
            else encode(self, row)
        ),
    )
    good = engine.submit(request("shapes", prompt="red bar", seed=1))
    assert gate.reached.wait(30)
    monkeypatch.setattr(ExactIcons, "predict", predict)
    bad = engine.submit(request("shapes", prompt="poison"))
    gate.opened.set()
    assert isinstance(last(engine, bad), Failed)
    assert isinstance(last(engine, good), Finished)


def test_frames_show_the_recorded_steps(engine):
    run = engine.submit(request(count=2))
    done = last(engine, run)
    assert len(engine.levels(run)) == done.steps_recorded == 5
    shapes = {what: rgb(engine.frame(run, 3, what, 1)).shape for what in ("xt", "x0", "eps")}
    assert shapes == {"xt": (8, 8, 3), "x0": (64, 64, 3), "eps": (8, 8, 3)}


def test_the_last_recorded_guess_is_nearly_the_picture(engine):
    run = engine.submit(request())
    picture = pictures(last(engine, run))[0]
    assert abs(rgb(engine.frame(run, 4, "x0")).astype(int) - picture).max() <= 2  # half precision


@pytest.mark.parametrize("step", [-1, 5])
def test_a_frame_that_was_not_recorded_is_not_found(engine, step):
    run = engine.submit(request("shapes"))
    last(engine, run)
    with pytest.raises(NotFound):
        engine.frame(run, step, "x0")


def test_a_frame_is_served_while_another_run_goes(engine):
    done = engine.submit(request("shapes"))
    last(engine, done)
    going = engine.submit(request("shapes", steps=900))
    frame = engine.frame(done, 0, "x0")
    engine.cancel(going)
    assert rgb(frame).shape == (32, 32, 3) and isinstance(last(engine, going), Cancelled)


@pytest.mark.parametrize("kind", ["gif", "mp4"])
def test_a_film_has_a_frame_for_every_step(engine, kind):
    run = engine.submit(request("shapes"))
    last(engine, run)
    assert engine.film(run, kind)[:12].startswith(b"GIF89a" if kind == "gif" else b"\x00\x00\x00")


def test_a_film_of_a_long_run_has_a_bounded_number_of_frames(engine):
    run = engine.submit(request("shapes", steps=160), View(preview="off"))
    assert last(engine, run).steps_recorded == 160
    movie = Image.open(io.BytesIO(engine.film(run, "gif")))
    assert movie.n_frames <= 75


def test_one_film_of_a_run_is_made_at_a_time(engine, monkeypatch):
    run = engine.submit(request("shapes"))
    last(engine, run)

    def twice(frames):
        with pytest.raises(Busy, match="wait"):
            engine.film(run, "mp4")
        return b"film"

    monkeypatch.setitem(film.FILMS, "gif", twice)
    assert engine.film(run, "gif") == engine.film(run, "gif") == b"film"


def test_a_thinned_recording_says_which_steps_it_holds(models):
    room = 2 * 3 * 32 * 32 * 2 * 6  # of six steps
    engine = LocalEngine(Settings(models=models, record_bytes=room, threads=1)).start(warm=False)
    run = engine.submit(request("shapes", steps=20))
    done = last(engine, run)
    steps = [level.step for level in engine.levels(run)]
    assert len(steps) == done.steps_recorded <= 6 and (steps[0], steps[-1]) == (0, 19)
    picture = pictures(done)[0]
    assert abs(rgb(engine.frame(run, len(steps) - 1, "x0")).astype(int) - picture).max() <= 2
    engine.close()
