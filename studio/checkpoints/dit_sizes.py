"""How large the twelve published DiTs are, and what one forward costs: arithmetic, no network.

Peebles & Xie 2023, tables 1 and 4. The paper's "Gflops" are multiply-accumulates, with one
operation for each value that a LayerNorm passes.
"""

from __future__ import annotations

from dataclasses import dataclass

FREQUENCIES = 256  # of the time embedding
SHAPES = {"S": (12, 384, 6), "B": (12, 768, 12), "L": (24, 1024, 16), "XL": (28, 1152, 16)}
PATCHES = (8, 4, 2)


@dataclass(frozen=True, slots=True)
class Size:
    """A DiT on states of side × side × channels; twice the channels come out: Σ is learned."""

    depth: int
    width: int
    heads: int
    patch: int
    side: int = 32
    channels: int = 4
    classes: int = 1000

    @property
    def tokens(self) -> int:
        """How many patches a state has."""
        return (self.side // self.patch) ** 2

    @property
    def parameters(self) -> int:
        """All of them, the fixed table of positions included, as the authors count."""
        D, patch = self.width, self.channels * self.patch**2
        block = 18 * D * D + 15 * D  # qkv, projection, two of the MLP, six of adaLN; their biases
        embedders = (patch + 1) * D + self.tokens * D + (FREQUENCIES + 1 + D + 1) * D
        labels = (self.classes + 1) * D
        last = (D + 1) * 2 * D + (D + 1) * 2 * patch
        return self.depth * block + embedders + labels + last

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the matrix products of one row."""
        D, T, patch = self.width, self.tokens, self.channels * self.patch**2
        block = 12 * D * D * T + 2 * T * T * D + 6 * D * D
        embedders = patch * D * T + FREQUENCIES * D + D * D
        last = 2 * D * D + 2 * patch * D * T
        return self.depth * block + embedders + last

    @property
    def published_gflops(self) -> float:
        """What the paper's tables say: 10⁹ of `macs` and the values in 2·depth + 1 LayerNorms."""
        return (self.macs + (2 * self.depth + 1) * self.tokens * self.width) / 1e9


DITS: dict[str, Size] = {
    f"{name}/{patch}": Size(*shape, patch) for name, shape in SHAPES.items() for patch in PATCHES
}
