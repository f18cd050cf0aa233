"""Contenders timed side by side: in turns, so that a machine that slows down slows all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A median with its quartiles."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:8.3f}  ({self.low:.3f} to {self.high:.3f})"


def figure(values: list[float]) -> Figure:
    """The median and the quartiles; of fewer than three values the least and the largest."""
    if len(values) < 3:
        return Figure(statistics.median(values), min(values), max(values))
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Figure(median, low, high)


@dataclass(frozen=True, slots=True)
class Times:
    """One contender's rounds: seconds on the clock, and seconds of all this process's threads.

    The second hardly cares what else the machine is doing.
    """

    wall: list[float]
    cpu: list[float]


def in_turns(
    contenders: Mapping[str, Callable[[int], float | None]], rounds: int
) -> dict[str, Times]:
    """The times of each contender in each round; who goes first changes from round to round.

    A contender gets the round's number and may return seconds of its own measuring.
    """
    times = {name: Times([], []) for name in contenders}
    names = list(contenders)
    for round_ in range(rounds):
        first = round_ % len(names)
        for name in names[first:] + names[:first]:
            start, busy = time.perf_counter(), time.process_time()
            own = contenders[name](round_)
            times[name].wall.append(time.perf_counter() - start if own is None else own)
            times[name].cpu.append(time.process_time() - busy)
    return times


def ratio(over: list[float], under: list[float]) -> Figure:
    """Of the two times of each round, which had the same weather."""
    return figure([a / b for a, b in zip(over, under, strict=True)])
