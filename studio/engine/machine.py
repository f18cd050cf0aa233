"""The device and what it does best: its memory, and a probe of dtypes and attention kernels.

Half precision is not quicker everywhere: bfloat16 is three times slower than float32 on CPUs
without instructions for it. So a small product is timed in each, and the quickest is taken.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import psutil
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from studio.checkpoints.place import Place

log = logging.getLogger(__name__)
DTYPES = ("float32", "bfloat16", "float16")
SIDE = 256  # of the timed product; large enough to fill the vector units
TURNS = 30
BETTER = 1.4  # how many times quicker than float32 half precision must be to be worth its rounding
BUSY = 3.0  # milliseconds that the product never takes on an idle CPU
LIMIT = 0.2  # seconds that each round of measurements may take
KERNELS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "math": SDPBackend.MATH,
}
Call = Callable[[], object]
Make = Callable[[], Call]


@dataclass(frozen=True, slots=True)
class Probe:
    """What was measured and chosen: milliseconds by dtype and by attention kernel."""

    dtype: str
    attention: str
    times: tuple[tuple[str, float], ...]
    kernels: tuple[tuple[str, float], ...]


@cache
def probe(device: str, dtype: str = "auto", attention: str = "auto") -> Probe:
    """Time a product and an attention in each way; what is not "auto" is taken as it is.

    Measured once in a process for each device.
    """
    measured = _timed(device, {name: _product(device, name) for name in DTYPES})
    chosen = dtype if dtype != "auto" else quickest(measured, device)
    able = _timed(device, {name: _attention(device, chosen, KERNELS[name]) for name in KERNELS})
    kernel = attention if attention != "auto" else best_kernel(able)
    return Probe(chosen, kernel, tuple(measured.items()), tuple(able.items()))


def quickest(times: dict[str, float], device: str) -> str:
    """float32 unless half precision is clearly quicker; bfloat16 before float16, for its range.

    float16 counts on GPUs only, and a CPU that is too busy to be measured keeps float32.
    """
    cpu = device == "cpu"
    best, bar = "float32", times.get("float32", 0.0) / BETTER
    if cpu and bar > BUSY:
        return best
    for name in ("bfloat16",) if cpu else ("bfloat16", "float16"):
        if times.get(name, float("inf")) < bar:
            best, bar = name, times[name] / BETTER
    return best


def best_kernel(times: dict[str, float]) -> str:
    """The first that the device has, unless a later one takes less than half as long."""
    best = next((name for name in KERNELS if name in times), "math")
    for name in KERNELS:
        if times.get(name, float("inf")) < times.get(best, 0.0) / 2:
            best = name
    return best


def use(attention: str) -> None:
    """Let attention run in this kernel, or in plain mathematics where it cannot."""
    torch.backends.cuda.enable_flash_sdp(attention == "flash")
    torch.backends.cuda.enable_mem_efficient_sdp(attention == "efficient")
    torch.backends.cuda.enable_math_sdp(True)


def _product(device: str, dtype: str) -> Make:
    """One product of two square matrices."""

    def make() -> Call:
        a = torch.ones(SIDE, SIDE, device=device, dtype=getattr(torch, dtype))
        return lambda: a @ a

    return make


def _attention(device: str, dtype: str, backend: SDPBackend) -> Make:
    def make() -> Call:
        q = torch.ones(1, 4, 128, 64, device=device, dtype=getattr(torch, dtype))

        def call() -> object:
            with sdpa_kernel(backend):
                return F.scaled_dot_product_attention(q, q, q)

        return call

    return make


@torch.no_grad()
def _timed(device: str, makes: dict[str, Make]) -> dict[str, float]:
    """The least milliseconds of each, in turns, so that a busy moment is everybody's.

    What the device cannot do is left out.
    """
    calls: dict[str, Call] = {}
    least: dict[str, float] = {}
    for name, make in makes.items():
        try:
            calls[name] = make()
            calls[name]()
            _wait(device)
        except (RuntimeError, NotImplementedError, TypeError) as error:
            log.info("%s cannot do %s: %s", device, name, error)
            calls.pop(name, None)
    end = time.perf_counter() + LIMIT
    for turn in range(TURNS):
        if turn >= 3 and time.perf_counter() > end:
            break
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            _wait(device)
            least[name] = min(least.get(name, 1e9), 1000 * (time.perf_counter() - start))
    return least


def _wait(device: str) -> None:
    kind = device.partition(":")[0]
    if kind == "cuda":
        torch.cuda.synchronize(device)
    elif kind == "mps":
        torch.mps.synchronize()


def room(place: Place) -> tuple[int, int]:
    """Free and whole memory of the device in bytes; what torch has set aside counts as free."""
    if place.partition(":")[0] == "cuda":
        free, total = torch.cuda.mem_get_info(place)
        spare = torch.cuda.memory_reserved(place) - torch.cuda.memory_allocated(place)
        return free + spare, total
    memory = psutil.virtual_memory()
    return memory.available, memory.total


def rss() -> int:
    """Bytes of this process that lie in memory."""
    return psutil.Process().memory_info().rss


def name(place: Place) -> str:
    """What the device is called."""
    if place.partition(":")[0] == "cuda":
        return torch.cuda.get_device_name(place)
    return f"{torch.get_num_threads()} threads" if place == "cpu" else str(place)


def release(place: Place) -> None:
    """Give back what was freed."""
    gc.collect()
    if place.partition(":")[0] == "cuda":
        torch.cuda.empty_cache()
