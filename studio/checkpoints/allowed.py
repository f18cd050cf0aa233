"""The classes that a checkpoint may name, in one place: what is not here is never looked up.

A folder's `model_index.json` says which class of which library each part is. Those names come
from strangers, so they choose from this list and nothing else: no module of theirs is imported
and no remote code is run.
"""

from __future__ import annotations

from typing import Any

from studio.errors import BadCheckpoint

CLIP = ("CLIPTokenizer", "CLIPTokenizerFast")
T5 = ("T5Tokenizer", "T5TokenizerFast")
BERT = ("BertTokenizer", "BertTokenizerFast")
SCHEDULERS = (
    "DDIMScheduler",
    "DDPMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "FlowMatchEulerDiscreteScheduler",
    "FlowMatchHeunDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LCMScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
    "UniPCMultistepScheduler",
)
ALLOWED: dict[str, tuple[str, ...]] = {  # part → classes, the usual one first
    "unet": ("UNet2DConditionModel", "UNet2DModel"),
    "transformer": (
        "SD3Transformer2DModel",
        "PixArtTransformer2DModel",
        "DiTTransformer2DModel",
        "FluxTransformer2DModel",
        "Transformer2DModel",  # what DiT and PixArt were called before
    ),
    "vae": ("AutoencoderKL", "AutoencoderTiny"),
    "preview": ("AutoencoderTiny",),
    "text_encoder": ("CLIPTextModel", "BertModel", "CLIPTextModelWithProjection", "T5EncoderModel"),
    "text_encoder_2": ("CLIPTextModelWithProjection", "T5EncoderModel", "CLIPTextModel"),
    "text_encoder_3": ("T5EncoderModel",),
    "tokenizer": (*CLIP, *T5, *BERT),
    "tokenizer_2": (*CLIP, *T5),
    "tokenizer_3": T5,
    "controlnet": ("ControlNetModel",),
    "scheduler": SCHEDULERS,
}
LIBRARIES = ("diffusers", "transformers")


def part_class(name: str, part: str, said: Any, classes: tuple[str, ...] = ()) -> str:
    """The class that `model_index.json` of `name` says for a part: `said` is its entry.

    `classes` narrows the list to those of one family. Raises BadCheckpoint with a sentence.
    """
    classes = classes or ALLOWED.get(part, ())
    named = said[1] if isinstance(said, list) and len(said) == 2 else None
    if not isinstance(named, str) or named not in classes or said[0] not in LIBRARIES:
        raise BadCheckpoint(
            f"{name} names {_shown(said)!r} as its {part.replace('_', ' ')}; "
            f"this studio opens {' or '.join(classes[:2]) or 'no such part'}."
        )
    return named


def _shown(said: Any) -> str:
    """A class that is not opened as a sentence names it: with its library, where that is odd."""
    named = said[1] if isinstance(said, list) and len(said) == 2 else None
    odd = isinstance(named, str) and said[0] not in LIBRARIES
    return f"{str(said[0])[:30]}.{named}"[:60] if odd else str(named)[:60]
