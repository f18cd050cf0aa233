"""Every case of the corpus is refused in words, soon, and in little memory."""

import resource
import time

import pytest

from studio.checkpoints import checks, load
from studio.checkpoints.catalog import only, scan
from studio.checkpoints.meter import Meter
from studio.errors import StudioError
from studio.ui import words
from tests.hostile.fuzz import mutated, scanned
from tests.hostile.make import EXACT, FILES, FOLDERS, PICKLES, make

SECONDS, BYTES = 2.0, 256 * 2**20
NAMES = [*FILES, *PICKLES, *FOLDERS, *EXACT, "a-zip", "a-link-to-everything", "a-link-to-a-file"]


def refusal(path) -> str | None:
    """What is said of a path: by the scan, by a check, or by loading it; None if it loads."""
    catalog = only(path)
    if catalog.refused:
        return next(iter(catalog.refused.values()))
    (entry,) = catalog.entries.values()
    reading = checks.check(entry, Meter(entry.id, entry.bytes, lambda *_: None, lambda: False))
    try:
        while True:
            next(reading)
    except StopIteration as end:
        if end.value.faults:
            return end.value.faults[0]
    try:
        load.load(entry, "cpu", lambda doing, share: None, {})
    except StudioError as error:
        return str(error)
    return None


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("hostile")
    return {path.name.split(".")[0]: path for path in make(root)}


@pytest.fixture(scope="module")
def warm(corpus):
    """The libraries are imported, so that a case is charged for itself alone."""
    refusal(corpus["other-widths-than-the-file"])
    refusal(corpus["weights-with-nan"])


def test_there_are_more_than_forty(corpus):
    assert len(corpus) == len(NAMES) > 80 and set(corpus) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_checkpoint_is_refused_in_words(corpus, warm, name, capfd):
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.thread_time()
    said = refusal(corpus[name])
    seconds = time.thread_time() - start
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    assert said and said.endswith(".") and "Traceback" not in said
    assert words.from_sentence(said)["key"], said
    assert str(corpus[name].parent) not in said
    assert seconds < SECONDS and grown < BYTES
    assert "a pickle was opened" not in capfd.readouterr().out


def test_none_of_them_is_offered_and_none_hides_the_others(corpus, warm):
    catalog = scan(next(iter(corpus.values())).parent)
    assert len(catalog.refused) > 60
    assert catalog.entries.keys() | catalog.refused.keys() == set(NAMES)


def test_mutations_are_refused_or_read_and_nothing_else(tmp_path):
    """Some hundreds of seeded ones; `python tests/hostile/fuzz.py` runs ten thousand."""
    counts = mutated(tmp_path, files=400, folders=120)
    assert counts["files"] == 400 and counts["folders"] == 120 and counts["slowest"] < SECONDS
    assert counts["refused"] > 200


def test_strangers_of_every_kind_leave_the_scan_whole(tmp_path):
    counts = scanned(tmp_path, 12)
    assert counts["refused"] > 20 and counts["offered"] + counts["refused"] == 60
