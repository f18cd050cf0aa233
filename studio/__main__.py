"""The headless twins: `python -m studio generate | noise | grid | models | train …`.

Each command is one module with `configure(parser)` and `run(args) -> exit status`; it is
imported only when it is asked for, so that `--help` answers at once. A StudioError becomes its
sentence on stderr and exit status 2.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys

from studio.errors import StudioError

COMMANDS = {
    "generate": ("studio.cli.generate", "make pictures from a prompt"),
    "noise": ("studio.cli.noise", "noise a picture and print the forward process's numbers"),
    "grid": ("studio.cli.grid", "one request over two of its fields, as one PNG"),
    "race": ("studio.cli.race", "samplers on one x_T, and how near each comes"),
    "control": ("studio.cli.control", "make a picture that follows another's lines"),
    "models": ("studio.cli.models", "list, show, check and convert checkpoints"),
    "eval": ("studio.cli.eval", "how good a checkpoint is, measured and written beside it"),
    "extras": ("studio.cli.extras", "networks that are fetched apart: list, install"),
    "train": ("studio.training.cli", "data, training and export of the embedded models"),
}


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="python -m studio", description="x_t Studio")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (module, text) in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text)
        if argv[:1] == [name]:
            command = importlib.import_module(module)
            command.configure(sub)
    args = parser.parse_args(argv)
    try:
        return command.run(args)
    except StudioError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read the output has had enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())
