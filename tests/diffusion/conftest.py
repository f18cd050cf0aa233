"""What the tests of the mathematics share: tiny nonlinear networks and a watched run."""

from __future__ import annotations

import pytest
import torch


class Walk:
    """Drives a sampler and keeps every accepted state, the final one last."""

    def __call__(self, run, denoise):
        states, asks = [], []
        try:
            ask = next(run)
            while True:
                asks.append(ask)
                if ask.stage == 0:
                    states.append(ask.x)
                ask = run.send(denoise(ask))
        except StopIteration as end:
            states.append(end.value)
        self.asks = asks
        return states


@pytest.fixture
def walk():
    return Walk()


@pytest.fixture(scope="session")
def network():
    """A smooth nonlinear function of (x, t) on (B, 3, H, W) that mixes the channels."""
    mix = torch.randn(3, 3, generator=torch.Generator().manual_seed(3))

    def forward(x, t):
        mixed = torch.einsum("ij,bjhw->bihw", mix.to(x.dtype), x)
        return torch.tanh(mixed + torch.sin(torch.tensor(float(t) / 90.0))) + 0.2 * x

    return forward


@pytest.fixture(scope="session")
def start():
    return torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(5))
