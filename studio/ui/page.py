"""What every tab is given: the engine, the visitors, and the recorded run that plays at first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from studio.contract import Engine
from studio.ui.visitors import Visitors


@dataclass(frozen=True, slots=True)
class Page:
    """One served page. A tab is a function that takes it and lays itself out."""

    engine: Engine
    visitors: Visitors
    first_run: Path
