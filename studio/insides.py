"""What the Models tab asks of a checkpoint's networks, and what it is answered: plain values.

A picture through the autoencoder and back, one forward of the denoiser looked at block by block,
a transformer's gates over t, and where each token of a prompt is attended to. This module knows
neither torch nor gradio.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from studio.errors import BadRequest
from studio.ranges import is_text, number, whole
from studio.recipe import MAX_PROMPT

Where = Literal["in", "down", "middle", "up", "block", "out"]


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A picture → state → picture through the full autoencoder; pictures as PNG, `side` square.

    `difference` is |again − picture| times `gain`, per channel. `rmse` is in grey levels, 0 to
    255; `ssim` None for pictures smaller than its window. `fewer` is how many values of the
    picture stand for one of the state. `tiny` is the preview decoder's picture of the same state,
    empty where there is none.
    """

    id: str
    side: int
    latent: tuple[int, int, int]  # C, H, W
    picture: bytes
    state: bytes  # drawn through the linear map, each position a square
    again: bytes
    difference: bytes
    gain: int
    rmse: float
    psnr: float  # dB; 99 when they are equal
    ssim: float | None
    mean: float  # of the state's values, as the denoiser meets them
    std: float
    fewer: float
    encode_ms: float
    decode_ms: float
    tiny: bytes = b""
    tiny_psnr: float | None = None
    tiny_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """What left one block in a forward of one row: its shape without the row, and its RMS.

    `skip` is the place, among all blocks, of the one whose output an up block takes beside its
    input; None where there is none.
    """

    name: str  # "down_blocks.0.resnets.1"
    where: Where
    shape: tuple[int, ...]  # C, H, W; or T, D for tokens
    rms: float
    skip: int | None = None


@dataclass(frozen=True, slots=True)
class Forward:
    """One forward of the denoiser on a noised picture, conditional, without guidance.

    `tokens` are rows and columns of patches, (0, 0) for a UNet. Where the network learned its
    variance, `variance` draws (v + 1)/2 of each position, the mean over the channels: black is
    the posterior's β̃, white is β; `variances` are its least, mean and most.
    """

    id: str
    share: float  # t/T that was asked at
    t: float
    logsnr: float | None  # None where it is infinite
    kind: Literal["unet", "transformer"]
    blocks: tuple[Block, ...]  # in the order in which they answered
    tokens: tuple[int, int]
    side: int
    picture: bytes  # PNG, as it was cut
    xt: bytes  # PNG
    x0: bytes  # PNG, what the network makes of it
    ms: float  # of the forward, hooks included
    variance: bytes = b""
    variances: tuple[float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class Gates:
    """adaLN-Zero's gates over t: the RMS over the width, (shares, blocks) each.

    A gate of 0 leaves the stream as it was: the block does nothing there.
    """

    id: str
    shares: tuple[float, ...]  # t/T, rising
    attention: tuple[tuple[float, ...], ...]
    mlp: tuple[tuple[float, ...], ...]  # empty where a block has one gate only


@dataclass(frozen=True, slots=True)
class Token:
    """What stands in one place of the text that a network attends to, or in several of a kind.

    All padding is one token, the last. `encoder` names whose token it is where several encoders
    speak one behind the other; else "".
    """

    text: str
    kind: Literal["begin", "word", "end", "padding"]
    encoder: str = ""


@dataclass(frozen=True, slots=True)
class Heat:
    """Where the picture attends to each token: softmax(QKᵀ), the mean over some layers' heads.

    A map is (rows, columns) bytes, row by row: 255 stands for the token's own `peaks` entry, the
    largest probability of that map. `shares` are the means over the positions. With what is kept
    for the picture itself they sum to 1.
    """

    name: str  # "all"; "16×16", the layers of one resolution; or "first", "middle", "last" third
    layers: int
    rows: int
    columns: int
    maps: tuple[bytes, ...]  # one a token
    peaks: tuple[float, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Attention:
    """What one forward on a noised picture attended to, conditional, without guidance.

    `unshown` counts the prompt's tokens beyond those that have a map; `pooled` says that the text
    acts beside all attention too, as one vector that joins the time.
    """

    id: str
    share: float  # t/T that was asked at
    t: float
    logsnr: float | None  # None where it is infinite
    kind: Literal["cross", "joint"]  # joint: the picture attends to itself in the same softmax
    heads: int
    pooled: bool
    side: int
    picture: bytes  # PNG, as it was cut
    xt: bytes  # PNG
    x0: bytes  # PNG, what the network makes of it
    tokens: tuple[Token, ...]
    heats: tuple[Heat, ...]  # "all" first
    unshown: int = 0


class Insides(Protocol):
    """The engine's verbs that look inside a checkpoint; it is loaded if need be. Pictures are the
    bytes of a PNG, JPEG or WebP. Every method may raise StudioError; none needs torch here."""

    def round_trip(self, id: str, picture: bytes) -> RoundTrip:
        """Raises BadRequest for a checkpoint that works on pixels."""
        ...

    def forward(
        self, id: str, picture: bytes, share: float, prompt: str = "", seed: int = 0
    ) -> Forward:
        """Raises BadRequest for a checkpoint without a network."""
        ...

    def gates(self, id: str, points: int = 17) -> Gates:
        """Raises BadRequest for a network without adaLN gates."""
        ...

    def attention(
        self, id: str, picture: bytes, share: float, prompt: str, seed: int = 0
    ) -> Attention:
        """Raises BadRequest without a prompt, and for a network that attends to no text."""
        ...


def check(share: float, prompt: str, seed: int) -> None:
    """What a forward is asked with; raises BadRequest."""
    number("time t", share, 0.0, 1.0)
    whole("seed", seed, 0, 2**64 - 1)
    if not is_text(prompt) or len(prompt) > MAX_PROMPT:
        raise BadRequest(f"A prompt is a text of at most {MAX_PROMPT} characters.")
