"""What a control's network is shown, and what there is to choose from: no torch, any thread."""

from __future__ import annotations

import numpy as np

from studio.checkpoints.catalog import Catalog
from studio.checkpoints.controlled import ControlEntry, check_fit
from studio.controls import Control, ControlInfo, PreprocessorInfo, SettingInfo
from studio.engine.looks import Looks
from studio.engine.uploads import Uploads
from studio.errors import BadRequest, StudioError
from studio.extras.shelf import absent
from studio.imaging.encode import png
from studio.imaging.fit import cut, middle
from studio.imaging.pictures import open_picture
from studio.imaging.preprocessors import PREPROCESSORS, Preprocessor, Setting
from studio.imaging.preprocessors_learned import LEARNED, Learned
from studio.recipe import MAX_SIDE

NONE = "none"
KNOWN: dict[str, Preprocessor | Learned] = {**PREPROCESSORS, **LEARNED}


class Steering:
    """The engine's verbs about controls; see `controls.Steering`."""

    def __init__(self, catalog: Catalog, uploads: Uploads, looks: Looks | None = None) -> None:
        """Without `looks` no extra is installed."""
        self._catalog, self._uploads, self._looks = catalog, uploads, looks

    def controls(self) -> tuple[ControlInfo, ...]:
        return tuple(info(entry) for entry in self._catalog.controls.values())

    def preprocessors(self) -> tuple[PreprocessorInfo, ...]:
        return (
            PreprocessorInfo(NONE, "As it is"),
            *(
                PreprocessorInfo(
                    id, made.title, tuple(map(_slider, made.settings)), self._missing(made)
                )
                for id, made in KNOWN.items()
            ),
        )

    def _missing(self, made: Preprocessor | Learned) -> str:
        if not isinstance(made, Learned) or (self._looks and self._looks.shelf.here(made.extra)):
            return ""
        return made.extra

    def fits(self, control: str, model: str) -> str:
        try:
            check_fit(self._catalog.control(control), self._catalog[model])
        except StudioError as error:
            return str(error)
        return ""

    def hint(self, control: Control, width: int, height: int) -> bytes:
        for side in (width, height):
            if not 32 <= side <= MAX_SIDE:
                raise BadRequest(f"A hint has sides of 32 to {MAX_SIDE} pixels, not {side}.")
        entry = self._catalog.controls.get(control.model)
        picture = self._uploads.png(control.image)
        return png(seen(entry, control, picture, width, height, self._looks))


def _slider(s: Setting) -> SettingInfo:
    return SettingInfo(s.name, s.default, s.least, s.most, s.step)


def info(entry: ControlEntry) -> ControlInfo:
    """What the face is told of a control."""
    return ControlInfo(
        id=entry.id,
        title=entry.title,
        family=entry.family,
        preprocessor=entry.preprocessor,
        settings=entry.settings,
        base=entry.base,
        parameters=entry.parameters,
        bytes=entry.bytes,
        licence=entry.licence,
        card=entry.card,
        scale=entry.scale,
        guidance=entry.guidance,
        whole=entry.whole,
    )


def check(control: Control) -> None:
    """Raise BadRequest for a preprocessor or a setting that there is not."""
    if control.preprocess == NONE:
        return
    if control.preprocess not in KNOWN:
        raise BadRequest(
            f"There is no preprocessor “{control.preprocess[:40]}”; choose one from the list."
        )
    made = KNOWN[control.preprocess]
    settings = dict(control.settings)
    unknown = set(settings) - {setting.name for setting in made.settings}
    if unknown:
        raise BadRequest(f"{made.title} has no setting “{sorted(unknown)[0][:40]}”.")
    for s in made.settings:
        value = settings.get(s.name, s.default)
        if not s.least <= value <= s.most:
            raise BadRequest(
                f"The setting {s.name} of {made.title} must be between {s.least:g} and "
                f"{s.most:g}, not {value:g}."
            )


def seen(
    entry: ControlEntry | None,
    control: Control,
    picture: bytes,
    width: int,
    height: int,
    looks: Looks | None = None,
) -> np.ndarray:
    """What this network receives: as `shown`, or for one that a picture prompts its crop, (S, S, 3)
    uint8, whose colours the network normalises.
    """
    if entry is None or not entry.whole:
        return shown(control, picture, width, height, looks)
    check(control)
    rgb = middle(open_picture(picture), entry.config["edge"], entry.config["side"])
    return _made(control, rgb, looks)


def shown(
    control: Control, picture: bytes, width: int, height: int, looks: Looks | None = None
) -> np.ndarray:
    """What the control's network receives, as a picture (height, width, 3) uint8.

    `picture` is the source, PNG bytes. Raises BadRequest for an unknown preprocessor or setting,
    and for one whose network is not installed.
    """
    check(control)
    return _made(control, cut(open_picture(picture), width, height), looks)


def _made(control: Control, rgb: np.ndarray, looks: Looks | None) -> np.ndarray:
    if control.preprocess == NONE:
        return rgb
    if control.preprocess in LEARNED:
        if looks is None:
            raise BadRequest(absent(LEARNED[control.preprocess].extra))
        return looks.hint(control.preprocess, rgb, **dict(control.settings))
    return PREPROCESSORS[control.preprocess](rgb, **dict(control.settings))
