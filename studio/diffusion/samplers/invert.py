"""From a picture back to its noise: DDIM's inversion, and a pair that can be undone exactly.

These walk levels from clean to noisy (a run's levels reversed). They are not in SAMPLERS: they
do not make pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from studio.diffusion.path import Level, Path
from studio.diffusion.samplers.ask import Answer, Ask, Run

if TYPE_CHECKING:
    from torch import Tensor

MIX = 0.93


def ddim_inverse(x: Tensor, path: Path, levels: Sequence[Level], *, rounds: int = 1) -> Run:
    """DDIM backwards: x' = (alpha'/alpha)(x - sigma·eps) + sigma'·eps (Song et al. 2021, 4.3).

    An exact inverse needs eps of the x' that is sought. `rounds` = 1 asks it of x instead, at
    the noisier level (diffusers' DDIMInverse); more rounds ask again at the x' just found, a
    fixed-point iteration that tends to the exact inverse of DDIM's step.
    """
    for step, (here, there) in enumerate(pairwise(levels)):
        guess = x
        for turn in range(rounds):
            a = yield Ask(guess, there, step, stage=turn)
            guess = _turn(x, a, here, there)
        x = guess
    return x


def edict(
    x: Tensor, path: Path, levels: Sequence[Level], *, y: Tensor | None = None, mix: float = MIX
) -> Run:
    """EDICT (Wallace et al. 2023, eq. 14): two coupled states, noisy to clean. Returns (x, y).

    Each takes a DDIM step with the other's eps, then they are mixed, so that `edict_inverse`
    undoes it to rounding. Run it in float64, unbatched. Both begin as x unless y is given.
    """
    y = x if y is None else y
    for step, (here, there) in enumerate(pairwise(levels)):
        a = yield Ask(y, here, step)
        x = _turn(x, a, here, there)
        b = yield Ask(x, here, step, stage=1)
        y = _turn(y, b, here, there)
        x = mix * x + (1.0 - mix) * y
        y = mix * y + (1.0 - mix) * x
    return x, y


def edict_inverse(
    x: Tensor, path: Path, levels: Sequence[Level], *, y: Tensor | None = None, mix: float = MIX
) -> Run:
    """EDICT's exact inverse (Wallace et al. 2023, eq. 15), clean to noisy. Returns (x, y)."""
    y = x if y is None else y
    for step, (here, there) in enumerate(pairwise(levels)):
        y = (y - (1.0 - mix) * x) / mix
        x = (x - (1.0 - mix) * y) / mix
        b = yield Ask(x, there, step)
        y = _turn(y, b, here, there)
        a = yield Ask(y, there, step, stage=1)
        x = _turn(x, a, here, there)
    return x, y


def _turn(x: Tensor, a: Answer, here: Level, there: Level) -> Tensor:
    """x carried from `here` to `there` with the answer's eps, whichever way."""
    if here.blind:
        raise ValueError("an inversion needs data in every state: alpha is 0")
    return (there.alpha / here.alpha) * (x - here.sigma * a.eps) + there.sigma * a.eps


INVERSIONS = {"ddim": ddim_inverse, "edict": edict_inverse}
