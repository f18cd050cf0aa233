"""Batches drawn ahead of a GPU. They come from the CPU's generators, so that a run sees the same
numbers on every device; threads draw the next ones while the GPU is at work on this one.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import torch

Batch = tuple[torch.Tensor, ...]
THREADS, DEPTH = 4, 8


class Ahead:
    """`draw(n)` for n = first, first + 1, …, pinned and sent by `send`; `draw` is called by several
    threads at once and depends on n alone.
    """

    def __init__(
        self, draw: Callable[[int], Batch], send: Callable[[torch.Tensor], torch.Tensor]
    ) -> None:
        self.draw, self.send = draw, send
        self.pool = ThreadPoolExecutor(THREADS)
        self.waiting: dict[int, Future[Batch]] = {}

    def __call__(self, n: int) -> Batch:
        for later in range(n, n + DEPTH):
            if later not in self.waiting:
                self.waiting[later] = self.pool.submit(self._pinned, later)
        batch = self.waiting.pop(n).result()
        return tuple(self.send(tensor) for tensor in batch)

    def _pinned(self, n: int) -> Batch:
        batch = self.draw(n)
        gpu = torch.cuda.is_available()  # memory is pinned for CUDA alone
        return tuple(tensor.pin_memory() for tensor in batch) if gpu else batch

    def close(self) -> None:
        """Draw no more."""
        self.pool.shutdown(cancel_futures=True)
