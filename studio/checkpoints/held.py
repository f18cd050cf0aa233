"""How a network is held at a place: its dtype, what waits elsewhere, fewer bits a number.

A network in half precision is asked and answers in float32, so nothing outside knows of it. Times
stay float32 on their way in: 999 is no bfloat16. Offloading and quantisation are the libraries'.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from studio.checkpoints.place import Place, place
from studio.errors import BadCheckpoint

DENOISERS = ("unet", "transformer")
EXACT = ("timestep", "timesteps", "time_ids", "img_ids", "txt_ids", "guidance", "sigma")


def dtype_for(where: Place, part: str) -> torch.dtype:
    """The dtype of a part: a VAE and the previews stay float32, half of it runs out of range.

    So does T5 where the place says float16, for the same reason; see its authors' notes.
    """
    if part in DENOISERS or part.startswith("text_encoder"):
        return getattr(torch, where.dtype)
    return torch.float32


def hold(made: nn.Module, where: str, part: str) -> nn.Module:
    """The network at its place, for inference: moved or offloaded, asked in float32."""
    at = place(where)
    made.eval().requires_grad_(False)
    if dtype_for(at, part) is not torch.float32 or at.quantise != "none":
        made.register_forward_pre_hook(_into(dtype_for(at, part)), with_kwargs=True)
        made.register_forward_hook(_out)
    if at.offload == "sequential":
        from accelerate import cpu_offload

        cpu_offload(made, execution_device=torch.device(str(at)), offload_buffers=True)
    elif at.offload == "model":
        _take_turns(made, at)
    else:
        made.to(str(at))
    return made


def quantised(kind: Any, folder: Path, where: Place) -> nn.Module:
    """A denoiser with int8 or int4 weights, made by diffusers with bitsandbytes on CUDA."""
    name = f"{folder.parent.name}/{folder.name}"
    if where.partition(":")[0] != "cuda":
        raise BadCheckpoint(f"{name} cannot be quantised on this device; it takes CUDA.")
    if importlib.util.find_spec("bitsandbytes") is None:
        raise BadCheckpoint(
            f"{name} cannot be quantised: bitsandbytes is not installed; install it, or start "
            "without --quantise."
        )
    from diffusers import BitsAndBytesConfig

    half = torch.bfloat16 if where.dtype == "float32" else getattr(torch, where.dtype)
    config = (
        BitsAndBytesConfig(load_in_8bit=True)
        if where.quantise == "int8"
        else BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=half)
    )
    made = kind.from_pretrained(
        folder,
        quantization_config=config,
        torch_dtype=half,
        use_safetensors=True,
        local_files_only=True,
        device_map={"": str(where)},
    )
    made.eval().requires_grad_(False)
    made.register_forward_pre_hook(_into(half), with_kwargs=True)
    made.register_forward_hook(_out)
    return made


def _into(dtype: torch.dtype) -> Any:
    """A hook that gives a network its states and conditions in its own dtype."""

    def cast(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {inner: cast(held, inner) for inner, held in value.items()}
        states = isinstance(value, Tensor) and value.is_floating_point() and value.ndim > 1
        return value.to(dtype) if states and name not in EXACT else value

    def before(module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        return tuple(map(cast, args)), cast(kwargs)

    return before


def _out(module: nn.Module, args: tuple, output: Any) -> Any:
    """A hook that gives a network's answer in float32."""
    if isinstance(output, tuple):
        return tuple(o.float() if isinstance(o, Tensor) else o for o in output)
    return output.float() if isinstance(output, Tensor) else output


def _take_turns(made: nn.Module, at: Place) -> None:
    """Keep a network in the CPU's memory but while it works; its neighbours go when it comes."""
    from accelerate.hooks import ModelHook, add_hook_to_module
    from accelerate.utils import send_to_device

    device = torch.device(str(at))

    class Turn(ModelHook):
        def pre_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> tuple:
            for other in at.turns:
                if other is not module:
                    other.to("cpu")
            module.to(device)
            return send_to_device(args, device), send_to_device(kwargs, device)

    made.to("cpu")
    at.turns.append(made)
    add_hook_to_module(made, Turn())
