"""x_t Studio: the only place where settings, engine and page meet.

`python app.py [--host H --port P --models DIR …]` serves it; on Hugging Face Spaces it runs as
it is. Importing it builds `demo` and starts nothing.
"""

from __future__ import annotations

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("GRADIO_SSR_MODE", "False")

import argparse
import sys
from dataclasses import fields

from studio.engine.engine import LocalEngine
from studio.errors import StudioError
from studio.imaging.pictures import guard_process
from studio.settings import Settings
from studio.ui import shell


def arguments() -> dict[str, object]:
    """`--field value` for every field of Settings; what is not given is None."""
    parser = argparse.ArgumentParser(prog="app.py", description="Serve x_t Studio.")
    for field in fields(Settings):
        alone = {"nargs": "?", "const": "yes"} if isinstance(field.default, bool) else {}
        parser.add_argument(f"--{field.name.replace('_', '-')}", dest=field.name, **alone)
    return vars(parser.parse_args())


try:
    settings = Settings.from_env(**(arguments() if __name__ == "__main__" else {}))
    engine = LocalEngine(settings)
    demo = shell.build(engine, settings)
except StudioError as error:
    sys.exit(str(error))


def main() -> None:
    """Bind the port first; the engine opens its checkpoints behind it."""
    guard_process()
    try:
        shell.serve(demo, settings, prevent_thread_lock=True, quiet=True)
    except OSError:
        place = f"Port {settings.port} is taken, or {settings.host} is no address of this machine"
        sys.exit(f"{place}; give another with --port or --host.")
    print(f"x_t Studio: http://{settings.host}:{settings.port}", flush=True)
    engine.start()
    try:
        demo.block_thread()
    finally:
        engine.close()


if __name__ == "__main__":
    main()
