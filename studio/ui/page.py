"""What every tab is given: the engine, the visitors, the recorded run that plays at first; and
what tabs tell each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studio.contract import Engine
from studio.ui.visitors import Visitors


@dataclass(frozen=True, slots=True)
class Page:
    """One served page. A tab is a function that takes it and lays itself out.

    `opens` is how a tab that is laid out earlier lets later ones fill it: by its name, a function
    from a Request to the updates of its own components, and these components. `leaving` is called
    with the session of a visitor whose tab is closed.
    """

    engine: Engine
    visitors: Visitors
    first_run: Path
    opens: dict[str, tuple[Callable[[Any], dict], list]] = field(default_factory=dict)
    leaving: list[Callable[[str], None]] = field(default_factory=list)
