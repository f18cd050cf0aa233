"""Pickles as data: plain arrays come out as NumPy itself reads them, and nothing is ever called."""

import pickle

import numpy as np
import pytest

from studio.errors import BadData
from studio.extras.pickled import arrays


def test_plain_arrays_come_out_as_they_went_in():
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(3, 3, 2, 4)).astype(np.float32)
    numbers = np.arange(6, dtype=np.int32)
    tree = {"net": {"a": {"kernel": kernel, "bias": rng.normal(size=4)}}, "n": numbers}
    found = arrays(pickle.dumps(tree, 3))
    assert set(found) == {"net.a.kernel", "net.a.bias", "n"}
    assert all((found[f"net.a.{k}"] == tree["net"]["a"][k]).all() for k in ("kernel", "bias"))
    assert found["n"].dtype == np.int32 and (found["n"] == np.arange(6)).all()


def test_an_array_in_fortran_order_keeps_its_places():
    wide = np.asfortranarray(np.arange(12, dtype=np.float32).reshape(3, 4))
    assert (arrays(pickle.dumps({"w": wide}, 3))["w"] == wide).all()


class Called:
    ran = False

    def __reduce__(self):
        return Called.run, ()

    @staticmethod
    def run():
        Called.ran = True


BAD = (Called(), {"w": Called()}, {"w": len}, [1], {"w": "text"}, {"w": 3})


@pytest.mark.parametrize("bad", BAD)
def test_anything_else_is_refused_and_nothing_is_called(bad):
    with pytest.raises(BadData, match="more than plain arrays"):
        arrays(pickle.dumps(bad, 3))
    assert not Called.ran


def test_a_pickle_that_is_cut_short_or_is_none_is_refused():
    whole = pickle.dumps({"w": np.ones((4, 4), np.float32)}, 3)
    for data in (b"", b"PK\x03\x04", whole[:40], whole[:-1], whole[: len(whole) // 2]):
        with pytest.raises(BadData):
            arrays(data)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_other_protocols_are_refused_in_words(protocol):
    with pytest.raises(BadData):
        arrays(pickle.dumps({"w": np.ones(3, np.float32)}, protocol))


def test_big_endian_numbers_and_a_shape_that_does_not_fit_are_refused():
    with pytest.raises(BadData):
        arrays(pickle.dumps({"w": np.ones(3, ">f4")}, 3))
    data = pickle.dumps({"w": np.ones((2, 8), np.float32)}, 3)
    with pytest.raises(BadData):
        arrays(data.replace(b"K\x02K\x08", b"K\x03K\x08"))
