"""Who holds which run: a tab's former run is freed, and nobody reaches another's."""

import pytest

from studio.contract import Finished, PreviewCard, Request
from studio.errors import NotFound
from studio.ui import visitors as v


class Engine:
    def __init__(self):
        self.forgotten = []

    def forget(self, run):
        self.forgotten.append(run)


def finished(run: str) -> Finished:
    card = PreviewCard("off", 0.0, 0.0, None)
    return Finished(run, Request("m"), (b"png",), ("aa",), "bb", 1, 1, 1.0, (), 0, card)


@pytest.fixture
def visitors():
    return v.Visitors(Engine())


def test_a_new_run_frees_the_former_one_of_its_tab_alone(visitors):
    visitors.begin("a", "a1")
    visitors.begin("b", "b1")
    visitors.begin("a", "a2")
    assert visitors.engine.forgotten == ["a1"]
    assert (visitors.current("a"), visitors.current("b")) == ("a2", "b1")


def test_runs_of_a_tab_are_numbered_and_a_replaced_one_is_told(visitors):
    assert visitors.begin("a", "a1") == (1, False)
    assert visitors.begin("a", "a2") == (2, True)
    visitors.end("a", "a2")
    assert visitors.begin("a", "a3") == (3, False)


def test_the_end_of_a_former_run_does_not_end_the_newest(visitors):
    visitors.begin("a", "a1")
    visitors.begin("a", "a2")
    visitors.end("a", "a1")
    assert visitors.begin("a", "a3")[1]


def test_what_a_run_made_is_kept_until_its_tab_goes_on(visitors):
    visitors.begin("a", "a1")
    visitors.keep(finished("a1"))
    assert visitors.made("a1").run == "a1"
    visitors.begin("a", "a2")
    with pytest.raises(NotFound):
        visitors.made("a1")


def test_leaving_frees_the_run_and_what_it_made(visitors):
    visitors.begin("a", "a1")
    visitors.keep(finished("a1"))
    visitors.leave("a")
    visitors.leave("a")
    assert visitors.engine.forgotten == ["a1"]
    assert visitors.current("a") == ""
    with pytest.raises(NotFound):
        visitors.made("a1")


def test_a_run_whose_tab_has_left_is_not_kept(visitors):
    visitors.begin("a", "a1")
    visitors.leave("a")
    visitors.keep(finished("a1"))
    with pytest.raises(NotFound):
        visitors.made("a1")


def test_the_oldest_pictures_are_let_go_when_they_take_too_much(visitors, monkeypatch):
    monkeypatch.setattr(v, "KEPT_BYTES", 2 * len(b"png"))
    for name in "abc":
        visitors.begin(name, f"{name}1")
        visitors.keep(finished(f"{name}1"))
    assert list(visitors.finished) == ["b1", "c1"]


def test_the_oldest_tab_is_let_go_when_there_are_too_many(visitors, monkeypatch):
    monkeypatch.setattr(v, "MAX_VISITORS", 2)
    for name in "abc":
        visitors.begin(name, f"{name}1")
    assert visitors.engine.forgotten == ["a1"]
