"""What stands at each place of the text that a network reads: an encoder's tokens, in letters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from studio.checkpoints.weighting import Laid

Kind = Literal["begin", "word", "end", "padding"]


@dataclass(frozen=True, slots=True)
class Said:
    """One place. `encoder` names whose it is where several stand one behind the other."""

    text: str
    kind: Kind
    encoder: str = ""


def said(tokenizer: Any, laid: Laid, encoder: str = "") -> tuple[Said, ...]:
    """The tokens of one reading, in order, with the encoder's marks and its padding."""
    begins = {tokenizer.bos_token_id, tokenizer.cls_token_id}
    ends = {tokenizer.eos_token_id, tokenizer.sep_token_id}
    out = []
    for place, (id, here) in enumerate(zip(laid.ids.tolist(), laid.mask.tolist(), strict=True)):
        kind: Kind = "word"
        if not here:
            kind = "padding"
        elif id in begins and place == 0:
            kind = "begin"
        elif id in ends and place == _last(laid):
            kind = "end"
        out.append(Said(_letters(tokenizer, id) if kind == "word" else "", kind, encoder))
    return tuple(out)


def _last(laid: Laid) -> int:
    """The place of the last token that is not padding."""
    return int(laid.mask.nonzero()[-1]) if bool(laid.mask.any()) else -1


def _letters(tokenizer: Any, id: int) -> str:
    """A piece of a word as it is written, without its vocabulary's marks."""
    text = tokenizer.decode([id]).strip().removeprefix("##")
    return text or str(tokenizer.convert_ids_to_tokens(id))
