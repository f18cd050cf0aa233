"""What every denoiser's training shares: a crew's gradients, Muon and AdamW under one cosine, the
average of the weights. Knows nothing of what is learned: batches and their loss are given.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from studio.training import loop, muon
from studio.training.ahead import Ahead
from studio.training.crew import Crew


class Average:
    """An exponential moving average of a model's weights, with the usual warm-up of its decay."""

    def __init__(self, model: nn.Module, decay: float):
        self.decay, self.count = decay, 0
        self.weights = {k: v.detach().clone() for k, v in model.state_dict().items()}

    def share(self) -> float:
        """Of the newest weights in the average."""
        return 1 - min(self.decay, (1 + self.count) / (10 + self.count))

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        self.count += 1
        names = list(self.weights)
        current = model.state_dict()
        torch._foreach_lerp_(
            [self.weights[k] for k in names], [current[k] for k in names], self.share()
        )

    def state_dict(self) -> dict:
        return {"count": self.count, "weights": self.weights}

    def load_state_dict(self, state: dict) -> None:
        self.count = state["count"]
        for name, weight in self.weights.items():  # where they are: a file's lie on the CPU
            weight.copy_(state["weights"][name])


def fit(
    model: nn.Module,
    shown: nn.Module,
    draw: Callable[[int], tuple[torch.Tensor, ...]],
    loss: Callable[..., torch.Tensor],
    folder: Path,
    config,
    *,
    device: str = "cpu",
    pace: loop.Pace | None = None,
    sheet: Callable[[nn.Module, int], None] | None = None,
) -> nn.Module:
    """Train `model` on the mean of `loss(*draw(n))`; returns `shown` with the averaged weights.

    `config` has steps, batch, lr, adam_lr, ema and workers; `sheet(shown, step)` is called now and
    then; averaged weights that are kept lie in `folder/kept`, named by their step. Unfinished work
    lies in `folder` and is resumed. On CUDA products are bfloat16's, sums and
    weights float32's.
    """
    average, crew = Average(model, config.ema), Crew(config.workers)
    cuda = torch.device(device).type == "cuda"
    optimisers = muon.optimisers(model, config.lr, config.adam_lr, spread=crew.map, together=cuda)
    pace = pace or loop.Pace(config.steps)
    batches = Ahead(draw, lambda tensor: tensor.to(device, non_blocking=True)) if cuda else draw
    if cuda:
        torch.set_float32_matmul_precision("high")
        if getattr(config, "compile", False):
            model.compile()

    def step(n: int) -> tuple[float | torch.Tensor, int]:
        muon.set_rates(optimisers, muon.cosine(n, pace.steps, min(100, pace.steps // 4 + 1)))
        batch = [tensor.to(device) for tensor in batches(n)]
        with torch.autocast("cuda", torch.bfloat16, enabled=cuda):
            value = crew.gradients(model, loss, *batch)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
        average.update(model)
        if pace.keep and (n + 1) % pace.keep == 0:
            keep(folder / "kept" / f"{n + 1:06d}.pt", average.weights)
        return value, config.batch

    def show(n: int) -> None:
        shown.load_state_dict(average.weights)
        if sheet:
            sheet(shown, n)

    parts = {"model": model, "average": average}
    parts |= {f"optimiser{i}": o for i, o in enumerate(optimisers)}
    try:
        loop.train(folder, parts, step, pace, show)
    finally:
        if isinstance(batches, Ahead):
            batches.close()
    shown.load_state_dict(average.weights)
    return shown


def keep(path: Path, weights: dict[str, torch.Tensor]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(weights, path.with_suffix(".partial"))
    path.with_suffix(".partial").replace(path)
