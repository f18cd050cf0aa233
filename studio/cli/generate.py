"""`python -m studio generate`: one request, its pictures, and one line of JSON about it.

What is not given is the checkpoint's own suggestion. The line goes to stdout; progress, unless
`--json` asks for silence, to stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from studio import presets
from studio.adapting import Adapter
from studio.cli import machine
from studio.cli.bundle import write_bundle
from studio.contract import Cancelled, Failed, Finished, Guidance, Loading, Request, Step, View
from studio.engine.engine import LocalEngine
from studio.errors import BadRequest, StudioError
from studio.imaging.film import FILMS
from studio.store.files import png_with_recipe, write_atomic

FIELDS = ("prompt", "negative_prompt", "label", "seed", "width", "height", "count", "sampler",
          "eta", "spacing", "steps", "alone", "vae")  # fmt: skip
GUIDANCE = {"guidance_kind": "kind", "guidance": "scale", "rescale": "rescale",
            "guided_channels": "channels"}  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    """Every field of a Request is an option."""
    configure_request(parser)
    add = parser.add_argument
    add("--image", type=Path, help="a picture to start from")
    add("--mask", type=Path, help="of that picture, white where it is painted anew")
    add("--strength", type=float, help="0 to 1: how much noise the picture gets")
    add("--out", type=Path, default=Path("out.png"), help="the PNG; out-1.png … for further ones")
    add("--record", type=Path, help="the run as a film: .gif or .mp4")
    add("--bundle", type=Path, help="a folder for the run as small frames and run.json")
    add("--json", action="store_true", help="nothing but the line of JSON")
    machine.configure(parser)


def configure_request(parser: argparse._ActionsContainer) -> None:
    """The options that make a Request."""
    add = parser.add_argument
    add("--model", help="a checkpoint's id (see `models`); the default one if left out")
    add("--prompt", help="what to draw; may be empty")
    add("--style", help="a style around the prompt: noto, photo, ink, …")
    add("--negative-prompt", help="what to steer away from")
    add("--label", type=int, help="a class, from 0 on, where a checkpoint knows classes")
    add("--seed", type=int, help="names the first picture's noise; picture k has seed + k")
    add("--width", type=int, help="pixels; 0 is the checkpoint's own")
    add("--height", type=int, help="pixels; 0 is the checkpoint's own")
    add("--count", type=int, help="how many pictures")
    add("--sampler", help="how the way to the picture is walked: ddim, heun, …")
    add("--eta", type=float, help="DDIM's η: 0 deterministic, 1 all fresh noise")
    add("--spacing", help="which noise levels are visited: trailing, karras, …")
    add("--steps", type=int, help="how many steps")
    add(
        "--guidance-kind",
        choices=("none", "cfg", "embedded"),
        help="none asks the conditional row alone; embedded gives the network the scale",
    )
    add("--guidance", type=float, metavar="SCALE", help="how strongly the prompt is followed")
    add("--rescale", type=float, help="φ of Lin et al., 0 to 1, against over-exposure")
    add("--guided-channels", type=int, help="of a state, as DiT's first three; 0: its own rule")
    add("--interval", type=float, nargs=2, metavar=("LOW", "HIGH"), help="t/T where it acts")
    add("--adapter", action="append", metavar="ID=WEIGHT", help="a LoRA or inversion; repeatable")
    add("--vae", metavar="ID", help="an autoencoder in place of the checkpoint's own")
    add("--alone", action="store_true", default=None, help="forwards shared with nobody")
    add("--recipe", type=Path, help="a JSON file with a whole recipe, to start from")


def run(args: argparse.Namespace) -> int:
    """Generate; raises StudioError with the sentence that is shown."""
    if args.record and args.record.suffix[1:] not in FILMS:
        raise BadRequest("A film ends in .gif or .mp4.")
    if args.out.suffix != ".png":
        raise BadRequest("A picture ends in .png; give --out such a name.")
    check_folders(args.out, args.record, args.bundle)
    engine = LocalEngine(machine.settings(args))
    try:
        request = pictured(args, engine, asked(args, engine))
        id = engine.start(warm=False).submit(request, View(preview="off"))
        finished = watch(engine, id, quiet=args.json)
        files = [args.out.with_stem(f"{args.out.stem}-{k}") if k else args.out
                 for k in range(len(finished.pictures))]  # fmt: skip
        for k, (file, picture) in enumerate(zip(files, finished.pictures, strict=True)):
            recipe = finished.request.with_(seed=finished.request.seed + k, count=1)
            write_atomic(file, png_with_recipe(picture, recipe.to_json()))
        if args.record:
            write_atomic(args.record, engine.film(id, args.record.suffix[1:]))
        if args.bundle:
            write_bundle(engine, finished, args.bundle)
    finally:
        engine.close()
    print(json.dumps(line(finished, files), ensure_ascii=False))
    return 0


def check_folders(*files: Path | None) -> None:
    """Raise BadRequest, before a long run, where one of these could not be written after it."""
    for file in filter(None, files):
        folder = file.absolute().parent
        if not folder.is_dir():
            raise BadRequest(f"There is no folder “{file.parent}” to write into; make it first.")
        if (file.is_dir() and file.suffix) or not os.access(folder, os.W_OK):
            raise BadRequest(f"“{file}” cannot be written; choose another place.")


def asked(args: argparse.Namespace, engine: LocalEngine) -> Request:
    """The recipe file or the checkpoint's suggestion, with what was given on the command line."""
    if args.recipe:
        try:
            request = Request.from_json(args.recipe.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            raise BadRequest(f"The recipe {args.recipe} cannot be read.") from None
        model = args.model or request.model
    else:
        model = args.model or engine.default_model()
        infos = {info.id: info for info in engine.catalog()}
        request = infos[model].defaults if model in infos else Request(model)
    return changed(args, request.with_(model=model))


def changed(args: argparse.Namespace, request: Request) -> Request:
    """The request with what was given on the command line."""
    given = {name: getattr(args, name) for name in FIELDS if getattr(args, name) is not None}
    guidance = asdict(request.guidance)
    for option, name in GUIDANCE.items():
        if getattr(args, option) is not None:
            guidance[name] = getattr(args, option)
    if args.interval:
        guidance["interval"] = tuple(args.interval)
    if args.adapter:
        given["adapters"] = tuple(map(adapter, args.adapter))
    request = request.with_(guidance=Guidance(**guidance), **given)
    return styled(request, args.style) if getattr(args, "style", None) else request


def adapter(said: str) -> Adapter:
    """ID=WEIGHT, or an id alone at weight 1; raises BadRequest."""
    id, _, weight = said.partition("=")
    try:
        return Adapter(id, float(weight or 1.0))
    except ValueError:
        raise BadRequest(f"An adapter is given as ID=WEIGHT, not “{said[:60]}”.") from None


def styled(request: Request, name: str) -> Request:
    """The request with a style around its prompt."""
    styles = {style.id: style for style in presets.styles()}
    if name not in styles:
        raise BadRequest(f"There is no style “{name[:40]}”; there are {', '.join(styles)}.")
    if styles[name].worn(request.prompt) is not None:
        return request
    prompt, negative = presets.toggled(request.prompt, request.negative_prompt, styles[name])
    return request.with_(prompt=prompt, negative_prompt=negative, template="")


def pictured(args: argparse.Namespace, engine: LocalEngine, request: Request) -> Request:
    """The request with the pictures that were given; the engine keeps them."""
    given: dict[str, Any] = {}
    for name in ("image", "mask"):
        if getattr(args, name):
            given[name] = keep(engine, getattr(args, name))
    if args.strength is not None:
        given["strength"] = args.strength
    return request.with_(**given)


def keep(engine: LocalEngine, file: Path) -> str:
    """The id of a picture file, kept by the engine; raises BadPicture or BadRequest."""
    try:
        return engine.keep(file.read_bytes())
    except OSError:
        raise BadRequest(f"The picture {file} cannot be read.") from None


def watch(
    engine: LocalEngine, id: str, quiet: bool, heard: Callable[[Step], None] | None = None
) -> Finished:
    """Follow the run to its end; Ctrl-C stops it. `heard` is told of every step."""

    said = ""

    def say(text: str) -> None:
        nonlocal said
        if not quiet and text != said:
            print(f"\r{text:<60}", end="", file=sys.stderr, flush=True)
        said = text

    try:
        for event in engine.events(id):
            if isinstance(event, Loading):
                say(f"{event.model}: {event.doing}")
            elif isinstance(event, Step):
                say(f"step {event.index + 1} of {event.total}, {event.step_ms:.0f} ms")
                if heard:
                    heard(event)
            elif isinstance(event, Failed):
                raise StudioError(event.message)
            elif isinstance(event, Cancelled):
                raise StudioError("The run was stopped.")
            elif isinstance(event, Finished):
                say(f"{len(event.pictures)} picture(s) in {event.seconds:.2f} s\n")
                return event
    except KeyboardInterrupt:
        engine.cancel(id)
        raise
    raise StudioError("The run ended without a picture.")


def line(finished: Finished, files: list[Path]) -> dict:
    """What the line of JSON says of a run."""
    return {
        "recipe": asdict(finished.request),
        "nfe": finished.nfe,
        "rows": finished.rows,
        "seconds": round(finished.seconds, 4),
        "step_ms": [round(ms, 3) for ms in finished.step_ms],
        "xt_sha256": finished.xt_sha256,
        "pixels_sha256": list(finished.pixels_sha256),
        "files": [str(file) for file in files],
        "notes": list(finished.notes),
    }
