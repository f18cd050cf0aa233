"""One safetensors file that holds a whole Stable Diffusion: its family, off its header alone.

What no shape tells (what the network predicts, at which size) is read off the file's metadata as
Stability's model specification names it, or off `<name>.studio.json` beside the file; else it is
the published networks'.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from studio.checkpoints import headers
from studio.checkpoints.entry import Entry, read_json
from studio.checkpoints.headers import Header
from studio.checkpoints.layouts import ldm
from studio.checkpoints.layouts.scheduled import suggested
from studio.errors import BadCheckpoint

SCHEDULE = {
    "num_train_timesteps": 1000,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "steps_offset": 1,
    "timestep_spacing": "leading",
    "clip_sample": False,
    "set_alpha_to_one": False,
}
KINDS = {  # the scheduler, the VAE's scale, the size in pixels and guidance's scale
    "sd1": ("PNDMScheduler", 0.18215, 512, 7.5),
    "sd2": ("DDIMScheduler", 0.18215, 768, 7.5),
    "sdxl": ("EulerDiscreteScheduler", 0.13025, 1024, 5.0),
    "refiner": ("EulerDiscreteScheduler", 0.13025, 1024, 5.0),
}
SPARE = {"v_pred": "v_prediction"}  # keys by which some files tell what they predict
PARTIAL = {  # what other files hold, by the beginning of a key
    "lora_": "an adapter, which needs the checkpoint that it adapts",
    "control_model.": "a control network, which needs the checkpoint that it steers",
    "controlnet_cond_embedding.": "a control network, which needs the checkpoint that it steers",
    "first_stage_model.": "an autoencoder alone",
    "encoder.conv_in.": "an autoencoder alone",
    "model.diffusion_model.double_blocks.": "FLUX in one file; take it as a folder",
    "double_blocks.": "FLUX in one file; take it as a folder",
    "model.diffusion_model.joint_blocks.": "Stable Diffusion 3 in one file; take it as a folder",
    "joint_blocks.": "Stable Diffusion 3 in one file; take it as a folder",
    "emb_params": "a textual inversion, which needs a checkpoint",
}


def describe(file: Path) -> Entry:
    """The entry of one file; raises BadCheckpoint with a sentence."""
    header = headers.read(file)
    shapes, name = header.shapes, file.name
    if ldm.MARK not in shapes:
        raise BadCheckpoint(_other(name, header))
    unet, texts = ldm.unet(name, shapes), ldm.texts(name, shapes)
    kind = _kind(unet, texts)
    scheduler, scale, size, guidance = KINDS[kind]
    vae = ldm.vae(name, shapes, scale)
    _check(name, unet, vae, texts)
    said = _said(file, header)
    prediction = said.get("prediction") or _prediction(kind, header)
    if kind == "sd2" and prediction == "epsilon":
        size = 512
    size = said.get("size") or size
    down = 2 ** (len(vae["block_out_channels"]) - 1)
    if type(size) is not int or not 8 * down <= size <= 4096 or size % down:
        raise BadCheckpoint(f"{name} does not say how large its states are.")
    config = {"_class_name": scheduler, **SCHEDULE, "prediction_type": prediction}
    if "ztsnr" in shapes:
        config["rescale_betas_zero_snr"] = True
    unet["sample_size"] = size // down
    return Entry(
        id=file.stem,
        folder=file,
        family="sdxl" if kind in ("sdxl", "refiner") else "sd",
        title=said["title"],
        knows=said["knows"],
        size=size,
        latent=(vae["latent_channels"], size // down, size // down),
        parameters=header.parameters,
        bytes=header.bytes,
        licence=said["licence"],
        prediction=prediction,
        defaults=suggested(config, guidance) | said["defaults"],
        card=said["card"],
        options={
            "single": {"unet": unet, "vae": vae, "texts": texts, "scheduler": config},
            "inpaints": unet["in_channels"] == 2 * vae["latent_channels"] + 1,
            "first": kind == "sdxl",
            "scored": kind == "refiner",
            "zeros": True,
        },
    )


def _kind(unet: dict[str, Any], texts: tuple[ldm.Text, ...]) -> str:
    if len(texts) == 2:
        return "sdxl"
    if texts[0].projected:
        return "refiner"
    return "sd2" if texts[0].names == "openclip" else "sd1"


def _check(
    name: str, unet: dict[str, Any], vae: dict[str, Any], texts: tuple[ldm.Text, ...]
) -> None:
    """Raise BadCheckpoint for networks that do not belong together."""
    wide, hidden = unet["cross_attention_dim"], sum(t.config["hidden_size"] for t in texts)
    if wide != hidden:
        raise BadCheckpoint(
            f"{name} has a UNet that reads prompts {wide} numbers wide and a text encoder that "
            f"writes {hidden}; they do not belong together."
        )
    states, wanted = vae["latent_channels"], unet["in_channels"]
    if wanted not in (states, 2 * states + 1):
        raise BadCheckpoint(
            f"{name} has a UNet with {wanted} input channels for states of {states}; editing "
            "networks are not offered here."
        )
    told = unet.get("projection_class_embeddings_input_dim", 0)
    given = texts[-1].config["projection_dim"] + ldm.TIMES * (6 if len(texts) == 2 else 5)
    if texts[-1].projected and told != given:
        raise BadCheckpoint(
            f"{name} has a UNet that is told {told} numbers beside the words, and its pipeline "
            f"gives it {given}."
        )
    if told and not texts[-1].projected:
        raise BadCheckpoint(f"{name} has a UNet that wants a class, which is not offered here.")


def _said(file: Path, header: Header) -> dict[str, Any]:
    """What the metadata and `<name>.studio.json` say: the latter counts."""
    beside = file.with_name(f"{file.stem}.studio.json")
    said = read_json(beside) if beside.is_file() else {}
    spec = {k.removeprefix("modelspec."): v for k, v in header.metadata.items()}
    sides = re.fullmatch(r"(\d{2,4})x(\d{2,4})", spec.get("resolution", ""))
    square = int(sides[1]) if sides and sides[1] == sides[2] else None
    known = {"epsilon": "epsilon", "v": "v_prediction", "v_prediction": "v_prediction"}
    defaults = said.get("defaults")
    return {
        "title": str(said.get("title") or spec.get("title") or file.stem)[:200],
        "knows": str(said.get("knows", "")),
        "licence": str(said.get("licence") or spec.get("license") or "not stated")[:200],
        "card": str(spec.get("description", ""))[:20_000],
        "defaults": defaults if isinstance(defaults, dict) else {},
        "size": said.get("size", square),
        "prediction": known.get(str(said.get("prediction") or spec.get("prediction_type"))),
    }


def _prediction(kind: str, header: Header) -> str:
    for key, prediction in SPARE.items():
        if key in header.shapes:
            return prediction
    base = "512" in header.metadata.get("modelspec.architecture", "")
    return "v_prediction" if kind == "sd2" and not base else "epsilon"


def _other(name: str, header: Header) -> str:
    for start, what in PARTIAL.items():
        if any(key.startswith(start) for key in header.shapes):
            return f"{name} is no whole checkpoint: it holds {what}."
    return f"{name} is not of a family that this studio knows."
