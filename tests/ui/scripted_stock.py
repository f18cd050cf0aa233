"""The scripted engine with a whole shelf of checkpoints, for the Models tab's tests.

`python -m tests.ui.scripted_stock --port N` serves it.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from studio import contract as c
from studio.settings import Settings
from studio.ui import shell
from tests.ui.scripted import ScriptedEngine, record
from tests.ui.scripted_holdings import SHELF, ScriptedHoldings


class Stocked(ScriptedEngine):
    """The scripted engine with the whole shelf."""

    def __init__(self, pace: float = 0.03) -> None:
        super().__init__(pace)
        self.holdings = ScriptedHoldings(SHELF, pace=pace)

    def catalog(self) -> tuple[c.CheckpointInfo, ...]:
        first = super().catalog()[0]
        return tuple(
            c.CheckpointInfo(
                id=id, title=title, family=family, knows="draws icons, 128 px", size=128,
                latent=latent, parameters=parameters, bytes=size, licence=licence, prediction="v",
                defaults=first.defaults, examples=first.examples,
                loaded=id in self.holdings.loaded, trained=parameters > 0,
            )
            for id, (title, family, parameters, size, latent, licence) in SHELF.items()
        )  # fmt: skip


def main() -> None:
    """Serve the stocked page, for looking at it."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, default=7862)
    settings = Settings.from_env({}, port=arguments.parse_args().port)
    with tempfile.TemporaryDirectory() as folder:
        first_run = record(Path(folder))
        shell.serve(shell.build(Stocked(), settings, first_run), settings, first_run)


if __name__ == "__main__":
    main()
