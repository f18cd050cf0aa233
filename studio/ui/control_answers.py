"""What the Control tab's page asks the server between clicks: hints, and recorded frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from studio.contract import Engine
from studio.ui import stream, words
from studio.ui.control_form import read_control
from studio.ui.player import guarded, light


def for_sheets(engine: Engine) -> list[Callable]:
    """Pictures kept, and what a control's network receives of one."""

    def see(ask: dict) -> dict:
        """The hint of one sheet. A new picture comes as a data URI in `source`, or its id stays.

        `fits` is the sentence of a control that is not for the chosen checkpoint.
        """
        said, model = dict(ask["control"]), str(ask["model"])
        answer: dict[str, Any] = {}
        if ask.get("source"):
            said["image"] = engine.keep(stream.unpacked(ask["source"]))
            answer["picture"] = light(engine.kept(said["image"]))
        control = read_control(said)
        side = next((i.size for i in engine.catalog() if i.id == model), 128)
        fits = engine.steering.fits(control.model, model)
        return answer | {
            "id": control.image,
            "side": side,
            "hint": stream.png(engine.steering.hint(control, side, side)),
            "fits": words.from_sentence(fits) if fits else None,
        }

    return [guarded(see)]
