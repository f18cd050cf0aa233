"""`python -m studio control`: a picture that follows another one's lines.

The picture goes through a preprocessor; what it makes is what the control's network receives
(`--hint` writes it). `--without` writes the same run from the same x_T without the control. With
an image prompt adapter as `--control` the picture is a prompt itself.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from studio.cli import machine
from studio.cli.generate import asked, check_folders, configure_request, keep, line, watch
from studio.contract import Request, Step, View
from studio.controls import Control, ControlInfo, Steering
from studio.engine.engine import LocalEngine
from studio.errors import BadRequest, NotFound
from studio.store.files import png_with_recipe, write_atomic


def configure(parser: argparse.ArgumentParser) -> None:
    """The options of one control, and every field of a Request."""
    configure_request(parser)
    add = parser.add_argument
    add("--image", type=Path, required=True, help="the picture or drawing to follow")
    add("--control", help="the id of a control, or of an adapter that takes the picture as a "
        "prompt; a control for this checkpoint if left out")  # fmt: skip
    add("--preprocess", help="canny, scribble, drawing, none, …; the control's own if left out")
    add("--setting", action="append", default=[], metavar="NAME=NUMBER", help="of the preprocessor")
    add("--scale", type=float, help="0 to 2: what the residuals are multiplied by; else as advised")
    add("--start", type=float, default=0.0, help="the share of the steps from which it acts")
    add("--end", type=float, default=1.0, help="the share of the steps up to which it acts")
    add("--guess", action="store_true", help="steer the conditional row alone")
    add("--out", type=Path, default=Path("out.png"), help="the PNG")
    add("--hint", type=Path, help="a PNG of the tensor that the network receives")
    add("--without", type=Path, help="a PNG of the same run without the control")
    add("--json", action="store_true", help="nothing but the line of JSON")
    machine.configure(parser)


def run(args: argparse.Namespace) -> int:
    """Generate; raises StudioError with the sentence that is shown."""
    for file in filter(None, (args.out, args.hint, args.without)):
        if file.suffix != ".png":
            raise BadRequest("A picture ends in .png; give --out such a name.")
    check_folders(args.out, args.hint, args.without)
    engine = LocalEngine(machine.settings(args))
    try:
        request = asked(args, engine).with_(count=1)
        control, advised = chosen(args, engine, request)
        if args.guidance is None and advised.guidance is not None and not args.recipe:
            guidance = replace(request.guidance, scale=advised.guidance)
            request = request.with_(guidance=guidance)
        request = request.with_(controls=(control,))
        steps: list[Step] = []
        finished = watch(
            engine, engine.start(warm=False).submit(request, View(preview="off")), args.json,
            steps.append,
        )  # fmt: skip
        recipe = finished.request.to_json()
        write_atomic(args.out, png_with_recipe(finished.pictures[0], recipe))
        if args.hint:
            size = finished.request.width, finished.request.height
            write_atomic(args.hint, engine.steering.hint(control, *size))
        if args.without:
            free = finished.request.with_(controls=())
            bare = watch(engine, engine.submit(free, View(preview="off")), args.json)
            write_atomic(args.without, png_with_recipe(bare.pictures[0], free.to_json()))
    finally:
        engine.close()
    norms = [list(step.control[0]) if step.control else [] for step in steps]
    said = line(finished, [args.out]) | {"residual_rms": norms}
    print(json.dumps(said, ensure_ascii=False))
    return 0


def chosen(
    args: argparse.Namespace, engine: LocalEngine, request: Request
) -> tuple[Control, ControlInfo]:
    """The control that the options describe; raises NotFound where there is none for them."""
    infos = {info.id: info for info in engine.steering.controls()}
    if args.control:
        info = infos.get(args.control)
        if info is None:
            raise NotFound(f"There is no control “{args.control[:60]}” here; see `models`.")
    else:
        info = fitting(engine.steering, request.model, args.preprocess)
    preprocess = args.preprocess or info.preprocessor or "none"
    own = dict(info.settings) if preprocess == info.preprocessor else {}
    made = Control(
        model=info.id,
        image=keep(engine, args.image),
        preprocess=preprocess,
        settings=tuple((own | dict(map(setting, args.setting))).items()),
        scale=info.scale if args.scale is None else args.scale,
        start=args.start,
        end=args.end,
        guess=args.guess,
    )
    return made, info


def fitting(steering: Steering, model: str, preprocess: str | None) -> ControlInfo:
    """The control of this checkpoint that was trained on such hints; raises NotFound."""
    of_model = [
        info
        for info in steering.controls()
        if info.base in (model, "") and not steering.fits(info.id, model)
    ]
    alike = [info for info in of_model if preprocess in (info.preprocessor, None, "none")]
    if not (alike or of_model):
        raise NotFound(f"There is no control for {model} here; name one with --control.")
    return min(alike or of_model, key=lambda info: info.whole)  # lines before prompts


def setting(text: str) -> tuple[str, float]:
    """A preprocessor's number from NAME=NUMBER; raises BadRequest."""
    name, _, value = text.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError:
        raise BadRequest(f"A setting is NAME=NUMBER, not “{text[:40]}”.") from None
