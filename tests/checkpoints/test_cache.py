from types import SimpleNamespace

from studio.checkpoints.cache import Cache


def fill(cache, *ids, bytes=10):
    for id in ids:
        cache.get(id, lambda: SimpleNamespace(bytes=bytes))


def test_what_was_loaded_is_not_loaded_again():
    cache = Cache(100)
    first = cache.get("a", lambda: SimpleNamespace(bytes=1))
    assert cache.get("a", lambda: None) is first


def test_the_one_used_longest_ago_makes_room():
    cache = Cache(30)
    fill(cache, "a", "b", "c", "a", "d")
    assert set(cache.ids()) == {"c", "a", "d"} and cache.bytes == 30


def test_one_that_is_larger_than_the_budget_stays_alone():
    cache = Cache(30)
    fill(cache, "a", "b")
    fill(cache, "big", bytes=100)
    assert cache.ids() == ("big",)


def test_the_time_of_loading_is_kept():
    cache = Cache(30)
    fill(cache, "a")
    assert cache.seconds["a"] >= 0


def test_one_in_use_stays_and_the_next_oldest_goes():
    used = {"a"}
    cache = Cache(20, lambda: used)
    fill(cache, "a", "b", "c")
    assert set(cache.ids()) == {"a", "c"} and cache.leaving(0) == ()
    used.clear()
    fill(cache, "d")
    assert set(cache.ids()) == {"c", "d"}
