"""From the file that an archive holds to the file that the studio keeps: each network by its form.

Only the names that a network needs are taken, each an array of the expected number of axes; what
else a file holds stays behind. An ONNX file is kept as it is: OpenCV runs it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import numpy as np

from studio.errors import BadData
from studio.extras.pickled import arrays

Arrays = dict[str, np.ndarray]
CONVS = (2, 2, 3, 3, 3)  # of VGG-16's blocks
LACKS = "The archive's weights lack {name}, or have it in another shape; they were not kept."


def keras(data: bytes) -> Arrays:
    """HED's HDF5: block1.0.weight … block5.2.bias, side1 … side5 and fuse, (O, I, kh, kw)."""
    try:
        import h5py
    except ImportError:
        raise BadData(
            "These weights are an HDF5 file, which h5py reads: `pip install h5py`, then run again; "
            "it is needed for this once."
        ) from None
    made: Arrays = {}
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            for name, path in _hed():
                pair = {"weight": 4, "bias": 1}
                for place, (kind, axes) in enumerate(pair.items()):
                    value = file.get(f"{path}/vars/{place}")
                    made[f"{name}.{kind}"] = _taken(value, f"{path}/vars/{place}", axes)
    except OSError as error:
        raise BadData(LACKS.format(name="an HDF5 file")) from error
    return made


def _hed() -> Iterator[tuple[str, str]]:
    """Every convolution: what it is called here, and its group in the file."""
    for block, count in enumerate(CONVS, 1):
        for k in range(count):
            yield f"block{block}.{k}", f"block{block}/layers/conv2d{f'_{k}' if k else ''}"
        yield f"side{block}", f"dsn{block}"
    yield "fuse", "fuse"


def flax(data: bytes) -> Arrays:
    """LPIPS: conv0 … conv4 (O, I, kh, kw) with biases, and lin0 … lin4 (1, C, 1, 1)."""
    found, made = arrays(data), {}
    for k in range(5):
        for kind, axes in (("kernel", 4), ("bias", 1)):
            name = f"AlexNet_0.Conv_{k}.{kind}"
            kept = "weight" if kind == "kernel" else "bias"
            made[f"conv{k}.{kept}"] = _taken(found.get(name), name, axes)
        name = f"NetLinLayer_{k}.Conv_0.kernel"
        made[f"lin{k}.weight"] = _taken(found.get(name), name, 4)
    return made


def torch_pose(data: bytes) -> Arrays:
    """Lightweight OpenPose: weights and biases by their own names, batch norms folded in."""
    import pickle

    import torch

    try:
        whole = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        state = {k: v.numpy() for k, v in whole["state_dict"].items() if k.startswith(PARTS)}
    except (pickle.UnpicklingError, RuntimeError, KeyError, AttributeError, EOFError) as error:
        raise BadData(LACKS.format(name="plain tensors")) from error
    return folded(state)


PARTS = ("model.", "cpm.", "initial_stage.", "refinement_stages.")
EPS = 1e-5  # torch's, in a batch norm


def folded(state: Arrays) -> Arrays:
    """Convolutions alone: a batch norm "p.k" is drawn into the convolution "p.(k - 1)".

    w·x·g + (b − mean)·g + shift with g = scale/√(var + ε).
    """
    made = {}
    for name, weight in state.items():
        stem, _, kind = name.rpartition(".")
        if kind != "weight" or f"{stem}.running_mean" in state:
            continue
        weight = _taken(weight, name, 4, keras=False)
        bias = state.get(f"{stem}.bias", np.zeros(len(weight), np.float32))
        parent, _, place = stem.rpartition(".")
        norm = f"{parent}.{int(place) + 1}" if place.isdigit() else ""
        if f"{norm}.running_mean" in state:
            mean, var, scale, shift = (
                state[f"{norm}.{part}"]
                for part in ("running_mean", "running_var", "weight", "bias")
            )
            gain = scale / np.sqrt(var + EPS)
            weight, bias = weight * gain[:, None, None, None], (bias - mean) * gain + shift
        made[f"{stem}.weight"] = np.ascontiguousarray(weight, np.float32)
        made[f"{stem}.bias"] = np.ascontiguousarray(bias, np.float32)
    if not made:
        raise BadData(LACKS.format(name="every convolution"))
    return made


def _taken(value: object, name: str, axes: int, keras: bool = True) -> np.ndarray:
    """An array of so many axes as float32; Keras' and Flax' (kh, kw, I, O) becomes (O, I, kh, kw).

    Raises BadData.
    """
    array = np.asarray(value) if value is not None else np.zeros(0)
    if value is None or array.ndim != axes or array.dtype.kind != "f":
        raise BadData(LACKS.format(name=name))
    turned = array.transpose(3, 2, 0, 1) if axes == 4 and keras else array
    return np.ascontiguousarray(turned, np.float32)


CONVERTERS: dict[str, Callable[[bytes], Arrays]] = {
    "keras": keras,
    "pickle": flax,
    "torch": torch_pose,
}
