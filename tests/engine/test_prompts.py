"""Prompts through the engine: weights and pieces reach the picture, wildcards the recipe."""

import numpy as np
import pytest

from studio.contract import Guidance
from studio.engine import offers
from studio.engine.engine import LocalEngine
from studio.errors import BadRequest, NotFound
from studio.presets import word_lists
from studio.prompting import choose
from studio.settings import Settings
from tests.checkpoints.small_sd import sd1_folder, sdxl_folder
from tests.engine.tiny import exact_folder
from tests.engine.watching import finish, pictures, request

LONG = " ".join("abcdefghijklmnopqrstuvwxyz")  # three readings of ten tokens


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """An engine on checkpoints with tiny CLIP encoders, which read ten tokens at a time."""
    models = tmp_path_factory.mktemp("models")
    sd1_folder(models / "one")
    sdxl_folder(models / "xl")
    exact_folder(models / "shapes")
    engine = LocalEngine(Settings(models=models, threads=1)).start(warm=False)
    yield engine
    engine.close()


def asked(model="one", **changes):
    usual = {"prompt": "a b c", "steps": 2, "guidance": Guidance(scale=4.0)}
    return request(model=model, **usual | changes)


def differs(engine, one, other):
    return np.abs(pictures(finish(engine, one)) - pictures(finish(engine, other))).max()


@pytest.mark.parametrize("model", ["one", "xl"])
def test_a_weight_changes_the_picture_and_weight_one_does_not(clips, model):
    plain = asked(model)
    assert differs(clips, plain, asked(model, prompt="a (b:1.0) c")) == 0
    assert differs(clips, plain, asked(model, prompt="a (b:3) c")) > 0


@pytest.mark.parametrize("model", ["one", "xl"])
def test_what_lies_beyond_the_first_reading_is_read(clips, model):
    with_end, without = asked(model, prompt=LONG), asked(model, prompt=LONG[:-1] + "y")
    assert differs(clips, with_end, without) > 0
    assert finish(clips, with_end).notes == ()


def test_a_long_negative_prompt_shares_the_forward_with_a_short_prompt(clips):
    made = finish(clips, asked(negative_prompt=LONG))
    assert made.rows == 2 * made.nfe
    assert differs(clips, asked(negative_prompt=LONG), asked()) > 0


def test_runs_of_different_lengths_give_what_they_give_alone(clips):
    requests = [asked(), asked(prompt=LONG), asked(prompt="x BREAK (y:2)")]
    alone = [pictures(finish(clips, each.with_(alone=True))) for each in requests]
    ids = [clips.submit(each) for each in requests]
    for id, expected in zip(ids, alone, strict=True):
        *_, last = clips.events(id, timeout=60)
        assert np.abs(pictures(last) - expected).max() <= 1


def test_more_pieces_than_are_read_fail_with_a_sentence(clips):
    *_, last = clips.events(clips.submit(asked(prompt="a BREAK " * 20)), timeout=60)
    assert "at most 16 are made" in last.message


def test_the_recipe_holds_the_prompt_that_was_chosen_and_how_it_was_written(clips):
    written = "{a|b|c} __fruit__"
    made = finish(clips, asked(prompt=written, seed=5)).request
    assert (made.prompt, made.template) == (choose(written, 5, word_lists()), written)
    again = finish(clips, made.with_(seed=6)).request
    assert again.prompt == made.prompt  # nothing is chosen twice


def test_a_wildcard_makes_the_picture_of_its_outcome(clips):
    written = asked(prompt="{a|b} c", seed=3)
    assert differs(clips, written, asked(prompt=choose("{a|b} c", 3, {}), seed=3)) == 0


@pytest.mark.parametrize("prompt", ["a (b:12)", "a __nothing__", "__" + "x" * 20 + "__"])
def test_what_cannot_be_read_is_refused_before_it_runs(clips, prompt):
    with pytest.raises(BadRequest):
        clips.submit(asked(prompt=prompt))
    with pytest.raises(BadRequest):
        clips.tokens("one", prompt)


def test_a_bad_weight_of_the_negative_prompt_is_refused_too(clips):
    with pytest.raises(BadRequest, match="weighs more"):
        offers.written(asked(negative_prompt="(x:99)"))


def test_the_exact_denoiser_matches_captions_without_the_syntax(clips):
    shapes = asked("shapes", prompt="red disc", guidance=Guidance(scale=1.0))
    assert differs(clips, shapes, shapes.with_(prompt="(red:1.4) [disc]")) == 0


def test_tokens_are_counted_before_the_checkpoint_is_loaded(tmp_path):
    sd1_folder(tmp_path / "one")
    engine = LocalEngine(Settings(models=tmp_path, threads=1)).start(warm=False)
    try:
        before = engine.tokens("one", LONG + " (b:2)")
        assert engine.catalog()[0].loaded is False
        finish(engine, asked())
        assert engine.catalog()[0].loaded is True
        assert engine.tokens("one", LONG + " (b:2)") == before
        assert (before.count, before.room, before.pieces, before.unread) == (27, 10, 3, 0)
        with pytest.raises(NotFound):
            engine.tokens("two", "a")
    finally:
        engine.close()


def test_what_reads_no_tokens_counts_none(clips):
    assert clips.tokens("shapes", "red disc") is None
