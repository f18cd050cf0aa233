"""Write docs/api.md: `python docs/make_api.py`. A test keeps the file up to date."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from pathlib import Path
from types import ModuleType

MODULES = (
    "path", "schedules", "spacing", "prediction", "forward", "objectives", "densities",
    "guidance", "noise", "brownian", "mixture", "twins", "drive", "samplers.ask",
    "samplers.registry", "samplers.ddim", "samplers.ddpm", "samplers.heun", "samplers.dpmpp",
    "samplers.adams", "samplers.deis", "samplers.unipc", "samplers.edm", "samplers.lcm",
    "samplers.langevin", "samplers.invert",
)  # fmt: skip
HEAD = """# studio.diffusion

The mathematics, importable alone: `pip install` nothing but torch and numpy. What carries choices
(paths, schedules, spacings, samplers) imports no torch. Symbols are in [notation.md](notation.md),
the methods themselves in [methods.md](methods.md); changes are named in the changelog.

```python
from studio.diffusion import path, schedules, spacing, twins
from studio.diffusion.drive import solve
from studio.diffusion.noise import KeyedNoise
from studio.diffusion.samplers.registry import SAMPLERS

way = path.vp(schedules.linear())
levels = spacing.levels(way, 20, "karras")
noise = KeyedNoise(seeds=range(500), shape=(2,))
run = SAMPLERS["dpmpp_2m"].method(noise.first().double(), way, levels, noise=noise)
points = solve(run, twins.moons().all.answer)  # (500, 2): two clasping half circles
```
"""


def page() -> str:
    """The whole file."""
    return HEAD + "".join(section(name) for name in MODULES)


def section(name: str) -> str:
    """One module: its first line, then every public name defined there."""
    module = importlib.import_module(f"studio.diffusion.{name}")
    lines = [f"\n## {name}\n", _first(module), ""]
    for key, value in vars(module).items():
        if key.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(value):
            lines += [f"- **`{key}`** {_first(value)}", *_members(value)]
        elif inspect.isfunction(value):
            lines.append(f"- **`{key}{_signature(value)}`** {_first(value)}")
    return "\n".join(lines) + "\n"


def _members(cls: type) -> list[str]:
    out = []
    for key, value in vars(cls).items():
        if key.startswith("_") and key != "__call__":
            continue
        if isinstance(value, property) and value.fget.__doc__:
            out.append(f"  - `.{key}` {_first(value.fget)}")
        elif isinstance(value, staticmethod):
            out.append(f"  - `.{key}{_signature(value.__func__)}` {_first(value.__func__)}")
        elif inspect.isfunction(value) and value.__doc__:
            name = "" if key == "__call__" else f".{key}"
            out.append(f"  - `{name}{_signature(value)}` {_first(value)}")
    return out


def _first(thing: ModuleType | type | object) -> str:
    text = inspect.getdoc(thing) or ""
    return " ".join(text.split("\n\n")[0].split())


def _signature(function: object) -> str:
    text = str(inspect.signature(function)).replace("self, ", "").replace("(self)", "()")
    return re.sub(r": '([^']*)'", r": \1", text.split(" -> ")[0])


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # studio
    Path(__file__).with_name("api.md").write_text(page(), encoding="utf-8")
