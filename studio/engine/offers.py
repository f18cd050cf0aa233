"""What the engine offers, and whether a request can be met: all of it without torch."""

from __future__ import annotations

import logging
from dataclasses import fields, replace

from studio import adapting, presets, prompting
from studio.checkpoints.catalog import Catalog
from studio.checkpoints.controlled import check_fit, check_size
from studio.checkpoints.entry import Entry
from studio.contract import CheckpointInfo, Choice, Choices, Request
from studio.diffusion.samplers.registry import SAMPLERS
from studio.diffusion.spacing import SPACINGS
from studio.engine import adapting as wardrobe
from studio.engine import hints
from studio.errors import BadRequest, StudioError
from studio.recipe import MAX_PROMPT, check_work

log = logging.getLogger(__name__)
LARGEST = 16  # times the trained area: attention's cost grows with the square of it
SPACING_WORDS = {
    "leading": ("Leading", "Equal steps that stop short of pure noise."),
    "trailing": ("Trailing", "Equal steps from pure noise on; best in few steps."),
    "linspace": ("Linspace", "Both ends of the schedule included."),
    "karras": ("Karras", "Small steps where little noise is left."),
    "sgm_uniform": ("SGM uniform", "Linspace without its cleanest step."),
    "exponential": ("Exponential", "Noise falls by the same factor in every step."),
    "beta": ("Beta", "Small steps at both ends."),
    "ays": ("Align Your Steps", "Ten times found by optimisation for Stable Diffusion."),
}


def choices() -> Choices:
    """Samplers and spacings, read off their registries."""
    samplers = tuple(
        Choice(
            id=id,
            label=s.label,
            hint=s.hint,
            evaluations=s.evaluations,
            stochastic=s.stochastic,
            uses_eta="eta" in s.options,
        )
        for id, s in SAMPLERS.items()
    )
    spacings = tuple(Choice(id, *SPACING_WORDS.get(id, (id.capitalize(), ""))) for id in SPACINGS)
    return Choices(samplers, spacings)


def info(entry: Entry, loaded: bool = False) -> CheckpointInfo:
    """What the face is told of a checkpoint."""
    return CheckpointInfo(
        id=entry.id,
        title=entry.title,
        family=entry.family,
        knows=entry.knows,
        size=entry.size,
        latent=entry.latent,
        parameters=entry.parameters,
        bytes=entry.bytes,
        licence=entry.licence,
        prediction=entry.prediction,
        conditions=entry.conditions,
        classes=entry.classes,
        framed=entry.family == "sdxl",
        refines=entry.options.get("scored") is True,
        defaults=defaults(entry),
        examples=entry.examples,
        card=entry.card,
        loaded=loaded,
        trained=entry.trained,
    )


def defaults(entry: Entry) -> Request:
    """The request that the checkpoint suggests; the studio's own where it suggests none."""
    said = {f.name: entry.defaults[f.name] for f in fields(Request) if f.name in entry.defaults}
    try:
        return Request(**{**said, "model": entry.id})
    except (StudioError, TypeError) as error:
        log.warning("the defaults of %s are not used: %s", entry.id, error)
        return Request(model=entry.id)


def resolve(request: Request, catalog: Catalog) -> Request:
    """The request with its size filled in and its wildcards chosen.

    Raises BadRequest, OverBudget, NotFound.
    """
    request = written(request)
    entry = catalog[request.model]
    if request.sampler not in SAMPLERS:
        raise BadRequest(f"There is no sampler “{request.sampler[:40]}”; choose one from the list.")
    if request.spacing not in SPACINGS:
        raise BadRequest(f"There is no spacing “{request.spacing[:40]}”; choose one from the list.")
    width, height = request.width or entry.size, request.height or entry.size
    if entry.family == "exact" and (width, height) != (entry.size, entry.size):
        raise BadRequest(f"{entry.title} makes pictures of {entry.size}×{entry.size} only.")
    if entry.square and width != height:
        raise BadRequest(f"{entry.title} makes square pictures only; give two equal sides.")
    down = entry.multiple or entry.size // entry.latent[1]
    if width % down or height % down:
        raise BadRequest(f"{entry.title} makes pictures whose sides are multiples of {down}.")
    if width * height > LARGEST * entry.size**2:
        raise BadRequest(
            f"{entry.title} was made for {entry.size}×{entry.size}; {width}×{height} is more than "
            f"{LARGEST} times as much. Make the picture smaller."
        )
    check_work(request, width, height, SAMPLERS[request.sampler].evaluations)
    _check_label(request, entry)
    _check_refiner(request, entry, catalog)
    _check_steering(request, entry, catalog)
    wardrobe.check(request, entry, catalog)
    if entry.guidance != "cfg" and request.guidance.kind == "cfg":
        guidance = replace(request.guidance, kind=entry.guidance)
        return request.with_(width=width, height=height, guidance=guidance)
    if entry.guidance != "embedded" and request.guidance.kind == "embedded":
        raise BadRequest(f"{entry.title} takes no guidance as an input; choose 'cfg' or 'none'.")
    return request.with_(width=width, height=height)


def _check_steering(request: Request, entry: Entry, catalog: Catalog) -> None:
    """Raise BadRequest or NotFound for a control that cannot steer it, or a picture it lacks."""
    if entry.options.get("inpaints") and not request.mask:
        raise BadRequest(
            f"{entry.title} paints a part of a picture anew; give it a picture and a mask."
        )
    for control in request.controls:
        network = catalog.control(control.model)
        check_fit(network, entry)
        if network.whole and control.guess:
            raise BadRequest(
                f"The control {network.title} takes the picture as a prompt and has no guess mode; "
                "switch it off."
            )
        size = request.width or entry.size, request.height or entry.size
        check_size(network, *size)
        hints.check(control)


def _check_refiner(request: Request, entry: Entry, catalog: Catalog) -> None:
    """Raise BadRequest or NotFound for a refiner that cannot go on with the model's states."""
    if not request.refiner:
        return
    other = catalog[request.refiner]
    pixels = (entry.size // entry.latent[1], other.size // other.latent[1])
    if other.latent[0] != entry.latent[0] or pixels[0] != pixels[1]:
        raise BadRequest(
            f"{other.title} has states of another kind than {entry.title}; it cannot refine them."
        )
    if other.options.get("inpaints"):
        raise BadRequest(f"{other.title} is made for inpainting; it cannot refine.")
    if other.square and request.width != request.height:
        raise BadRequest(f"{other.title} makes square pictures only; give two equal sides.")


def _check_label(request: Request, entry: Entry) -> None:
    """Raise BadRequest for a class that the checkpoint does not have."""
    if request.label is None:
        return
    if entry.conditions != "class":
        raise BadRequest(f"{entry.title} knows no classes; leave the class empty.")
    if request.label >= len(entry.classes):
        raise BadRequest(
            f"{entry.title} has classes 0 to {len(entry.classes) - 1}; there is no {request.label}."
        )
    if not entry.classes[request.label]:
        raise BadRequest(
            f"{entry.title} was never taught class {request.label}; choose a named one."
        )


def written(request: Request) -> Request:
    """The request with the prompt that its seed makes of a template, and the adapters in it."""
    prompt = request.prompt
    if not request.template:
        prompt = prompting.choose(prompt, request.seed, presets.word_lists())
    template = request.template if prompt == request.prompt else request.prompt
    prompt, named = adapting.spoken(prompt)
    for text in (prompt, request.negative_prompt):
        prompting.pieces(text)
    if prompt == request.prompt and not named:
        return request
    worn = adapting.joined(request.adapters, named)
    return request.with_(prompt=prompt, template=template, adapters=worn)


def check_prompt(prompt: str) -> None:
    """Raise BadRequest for a prompt that no request could carry."""
    if not isinstance(prompt, str) or len(prompt) > MAX_PROMPT:
        raise BadRequest(f"A prompt is a text of at most {MAX_PROMPT} characters.")
