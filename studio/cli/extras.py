"""`python -m studio extras`: the networks that do not come with the studio, listed or installed.

Nothing else in the studio fetches them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from studio.extras.known import EXTRAS
from studio.extras.shelf import Shelf
from studio.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """What to do, the folder, and JSON instead of a table."""
    parser.add_argument("--extras", type=Path, help="the folder of extras")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    what = parser.add_subparsers(dest="what")
    what.add_parser("list", help="which there are and which are installed (as without a word)")
    install = what.add_parser("install", help="fetch, check and convert some")
    install.add_argument("names", nargs="+", metavar="NAME", help=", ".join(EXTRAS) + " or all")
    install.add_argument(
        "--from", dest="given", type=Path, help="a folder that holds the archives already"
    )


def run(args: argparse.Namespace) -> int:
    """List or install; raises StudioError with the sentence that is shown."""
    shelf = Shelf(Settings.from_env(extras=args.extras).extras)
    if args.what == "install":
        names = list(EXTRAS) if args.names == ["all"] else list(dict.fromkeys(args.names))
        for name in names:
            path = shelf.install(name, args.given)
            if not args.json:
                print(f"{name}: {path.name}, {path.stat().st_size / 1e6:.1f} MB, "
                      f"{EXTRAS[name].licence}")  # fmt: skip
        if args.json:
            print(json.dumps({"installed": names, "folder": str(shelf.folder)}))
        return 0
    rows = [
        {
            "name": name, "title": extra.title, "use": extra.use, "method": extra.method,
            "licence": extra.licence, "megabytes": extra.megabytes, "installed": shelf.here(name),
            "from": f"{extra.archive.registry} {extra.archive.name} {extra.archive.version}",
        }
        for name, extra in EXTRAS.items()
    ]  # fmt: skip
    if args.json:
        print(json.dumps({"extras": rows, "folder": str(shelf.folder)}))
        return 0
    for row in rows:
        state = "installed" if row["installed"] else f"{row['megabytes']} MB to fetch"
        print(f"{row['name']:8}{state:18}{row['licence']:14}{row['method']}\n{'':8}{row['from']}")
    return 0
