"""A network from its folder: outlined without memory, compared by name, shape and dtype, and only
then read, tensor by tensor.

A tensor is read straight into the memory that it will live in, so that loading peaks at the size
of the weights. Files are read and not mapped: a mapped file that somebody cuts short kills the
process, and its pages count as memory all the same once they are checked for NaN.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from studio.checkpoints import bounds, headers, held
from studio.checkpoints.entry import read_json
from studio.checkpoints.headers import Header
from studio.checkpoints.place import place
from studio.errors import BadCheckpoint

log = logging.getLogger(__name__)
PIECE = 64 * 2**20  # bytes read between two reports of progress
SPARE = 64 * 2**20  # bytes of tables that a network may compute beside its weights
DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
WHOLE = {"I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
         "U8": torch.uint8, "BOOL": torch.bool}  # fmt: skip


def network(
    kind: Any,
    folder: Path,
    device: str = "cpu",
    layout: torch.memory_format = torch.preserve_format,
) -> nn.Module:
    """A diffusers network of class `kind` from its folder, for inference, checked for NaN.

    `device` may be a Place, which says how it is held there. `layout` is what four-sided weights
    are laid out in. Raises BadCheckpoint with a sentence.
    """
    name, at = f"{folder.parent.name}/{folder.name}", place(device)
    found = headers.weights(folder)
    made, places = outline(kind, folder, found)
    if at.quantise != "none" and folder.name in held.DENOISERS:
        return held.quantised(kind, folder, at)
    if _computes(made):
        made = _built(kind, folder, whole=True)
    dtype = held.dtype_for(at, folder.name)
    on = str(at) if at.offload == "none" else "cpu"
    for header in found:
        for stored, tensor in tensors(header, lambda count: at.read(folder.name, count)):
            if stored in places:
                check_finite(tensor, name, stored)
                put(made, places[stored], placed(tensor, on, dtype, layout))
    left = [n for n, p in made.named_parameters() if p.is_meta]
    if left:
        raise BadCheckpoint(lacks(name, left, len(list(made.parameters()))))
    return held.hold(made, at, folder.name)


def outline(kind: Any, folder: Path, found: tuple[Header, ...]) -> tuple[nn.Module, dict[str, str]]:
    """The network on no device, and where each stored tensor goes: stored name → its name.

    Raises BadCheckpoint where names, shapes or dtypes do not fit the configuration.
    """
    name = f"{folder.parent.name}/{folder.name}"
    made, places = sketch(kind, folder, found)
    faults = compare(made, found, places, name)
    if faults:
        raise BadCheckpoint(faults[0])
    tables = sum(b.numel() * b.element_size() for _, b in _tables(made))
    if tables > SPARE + sum(header.bytes for header in found):
        raise BadCheckpoint(f"{name}: its configuration asks for more memory than its weights.")
    return made, places


def sketch(kind: Any, folder: Path, found: tuple[Header, ...]) -> tuple[nn.Module, dict[str, str]]:
    """As `outline`, not yet compared."""
    made = _built(kind, folder, whole=False)
    return made, renamed(made, [stored for header in found for stored in header.shapes])


def compare(
    made: nn.Module, found: Iterable[Header], places: dict[str, str], name: str
) -> list[str]:
    """What does not fit, as sentences: wrong shapes, wrong dtypes, what is missing."""
    wanted, faults = dict(made.state_dict()), []
    for header in found:
        for stored, shape in header.shapes.items():
            own = wanted.get(places.get(stored, ""))
            if own is None:
                continue
            if tuple(own.shape) != shape:
                faults.append(misshapen(name, stored, shape, own.shape))
            dtype = header.dtypes[stored]
            if own.dtype.is_floating_point and dtype not in DTYPES:
                faults.append(misstored(name, stored, dtype))
    parameters = [n for n, _ in made.named_parameters(remove_duplicate=False)]
    left = sorted(set(parameters) - set(places.values()) - _tied(made))
    if left:
        faults.append(lacks(name, left, len(parameters)))
    return faults


def unexpected(made: nn.Module, places: dict[str, str]) -> list[str]:
    """Stored tensors that the network has no place for; they are left unread."""
    wanted = made.state_dict()
    return [stored for stored, place in places.items() if place not in wanted]


def renamed(made: nn.Module, stored: list[str]) -> dict[str, str]:
    """Stored name → the network's own name for it; older files have other names for attention."""
    own = {name: name for name in stored}
    fix = getattr(made, "_fix_state_dict_keys_on_load", None)
    if fix is not None:
        fix(own)
    return {old: new for new, old in own.items()}


def tensors(header: Header, read: Callable[[int], None]) -> Iterator[tuple[str, Tensor]]:
    """Each tensor of a file in the order of its bytes; raises BadCheckpoint if it is cut short.

    `read` is told of every piece, and may raise to stop.
    """
    with header.file.open("rb") as stream:
        for name, (first, end) in sorted(header.spans.items(), key=lambda item: item[1]):
            raw = torch.empty(end - first, dtype=torch.uint8)
            stream.seek(first)
            view = memoryview(raw.numpy())
            for start in range(0, end - first, PIECE):
                piece = view[start : start + PIECE]
                if stream.readinto(piece) != len(piece):
                    raise BadCheckpoint(f"{header.file.name} changed while it was read; try again.")
                read(len(piece))
            dtype = (DTYPES | WHOLE).get(header.dtypes[name])
            if dtype is not None:
                yield name, raw.view(dtype).reshape(header.shapes[name])


def check_finite(tensor: Tensor, name: str, stored: str) -> None:
    """Raise BadCheckpoint with the tensor's name if it holds NaN or infinity."""
    if not finite(tensor):
        raise BadCheckpoint(f"{name}: {stored[:80]} holds NaN or infinity.")


def finite(tensor: Tensor) -> bool:
    """Whether every value is a number; a piece at a time, so that it takes no memory."""
    if not tensor.dtype.is_floating_point:
        return True
    pieces = tensor.reshape(-1).split(2**22)
    return all(bool(torch.isfinite(piece).all()) for piece in pieces)


def placed(
    tensor: Tensor, device: str, dtype: torch.dtype, layout: torch.memory_format
) -> Tensor:
    """The tensor as the network keeps it."""
    if not tensor.dtype.is_floating_point:
        return tensor.to(device)
    laid = layout if tensor.ndim == 4 else torch.preserve_format
    return tensor.to(device, dtype, memory_format=laid)


def put(made: nn.Module, name: str, tensor: Tensor) -> None:
    """Set one parameter or buffer of a network."""
    path, _, leaf = name.rpartition(".")
    owner = made.get_submodule(path)
    if leaf in owner._parameters:
        owner._parameters[leaf] = nn.Parameter(tensor, requires_grad=False)
    elif leaf in owner._buffers:
        owner._buffers[leaf] = tensor


def _built(kind: Any, folder: Path, whole: bool) -> nn.Module:
    """The network without weights; `whole` computes its tables, which no file holds."""
    from accelerate import init_empty_weights
    from diffusers.models.modeling_utils import no_init_weights

    config = read_json(folder / "config.json")
    bounds.check(config, f"{folder.parent.name}/{folder.name}")
    try:
        nowhere = init_empty_weights(include_buffers=False) if whole else torch.device("meta")
        with no_init_weights(), nowhere:
            return kind.from_config(config)
    except (RuntimeError, ValueError, TypeError, KeyError, IndexError, ArithmeticError,
            AttributeError, NotImplementedError, AssertionError) as error:  # fmt: skip
        log.info("%s: no network from its configuration: %s", folder, error)
        raise BadCheckpoint(
            f"{folder.parent.name}/{folder.name} has a configuration that makes no network."
        ) from None


def _tables(made: nn.Module) -> list[tuple[str, Tensor]]:
    """Buffers that are computed and in no file."""
    stored = made.state_dict()
    return [(name, b) for name, b in made.named_buffers() if name not in stored]


def _computes(made: nn.Module) -> bool:
    """Whether a network on no device lacks what it would have computed when it was built."""
    plain = (v for m in made.modules() for v in vars(m).values() if isinstance(v, Tensor))
    return bool(_tables(made)) or any(v.is_meta for v in plain)


def _tied(made: nn.Module) -> set[str]:
    """Names that share another's memory; a file holds one of them."""
    return set(getattr(made, "_tied_weights_keys", None) or ())


def misshapen(name: str, stored: str, shape: Iterable[int], wanted: Iterable[int]) -> str:
    """The sentence about a tensor of another shape than its configuration says."""
    return (
        f"{name}: {stored[:80]} has shape {_sides(shape)}, and its configuration says "
        f"{_sides(wanted)}."
    )


def misstored(name: str, stored: str, dtype: str) -> str:
    """The sentence about a tensor of a dtype that is not read."""
    return (
        f"{name}: {stored[:80]} is stored as {dtype}; this studio reads float32, "
        "float16 and bfloat16."
    )


def lacks(name: str, left: list[str], all_: int) -> str:
    """The sentence about tensors that no file holds."""
    return f"{name} lacks {len(left)} of its {all_} tensors, the first of them {left[0][:80]}."


def _sides(shape: Iterable[int]) -> str:
    sides = tuple(shape)
    return "×".join(map(str, sides)) or "()"
