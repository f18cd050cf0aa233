"""Controls for the scripted engine: two that exist, hints by the studio's own preprocessors."""

from __future__ import annotations

from studio.checkpoints.catalog import Catalog
from studio.controls import Control, ControlInfo, PreprocessorInfo
from studio.engine.hints import Steering
from studio.engine.uploads import Uploads

CONTROLS = (
    ControlInfo(
        "icons-control-canny", "Icons control: Canny edges", "sd", "canny",
        (("blur", 1.0), ("high", 120.0), ("low", 50.0)), "icons-unet", 3_000_000, 6_000_000,
        "Apache-2.0", guidance=2.5,
    ),
    ControlInfo(
        "icons-control-scribble", "Icons control: Scribble", "sd", "scribble",
        (("least", 10.0), ("simplify", 1.5), ("width", 3.0)), "icons-unet", 3_000_000, 6_000_000,
        "Apache-2.0", guidance=2.0,
    ),
    ControlInfo("xl-lines", "XL lines", "sdxl", "canny", (), "", 9_000_000, 18_000_000, "MIT"),
)  # fmt: skip
WRONG = (
    "The control XL lines is for Stable Diffusion XL, and Icons UNet is Stable Diffusion; choose a "
    "control of its family."
)


class ScriptedSteering:
    """Implements controls.Steering; pictures are kept and preprocessed as they really are."""

    def __init__(self) -> None:
        self.uploads = Uploads()
        self._real = Steering(Catalog(), self.uploads)

    def controls(self) -> tuple[ControlInfo, ...]:
        return CONTROLS

    def preprocessors(self) -> tuple[PreprocessorInfo, ...]:
        return self._real.preprocessors()

    def fits(self, control: str, model: str) -> str:
        return WRONG if control == "xl-lines" else ""

    def hint(self, control: Control, width: int, height: int) -> bytes:
        return self._real.hint(control, width, height)
