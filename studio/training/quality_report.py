"""The tables of docs/quality.md: every bar beside what was measured, out of `models/*/eval.json`,
and how a network got better while it trained, out of `runs/*/kept/*/eval.json`.
"""

import json
from pathlib import Path

from studio.training.ablation_plot import plot
from studio.training.ablation_report import markdown, replace
from studio.training.evaluated import BARS

CURVE = ("retrieval_at_1", "retrieval_at_5", "frechet", "kid", "near_copies")


def bars(found: dict[str, dict]) -> str:
    """One row a bar, one column a model; an interval of 95 % beside each figure."""
    rows = []
    for name, (said, bar, unit) in BARS.items():
        cells = [cell(row.get(name), unit) for row in found.values()]
        if any(cells):
            rows.append([said, bar, *(text or "—" for text in cells)])
    return markdown(["", "bar", *(f"`{name}`" for name in found)], rows)


def curve(found: dict[int, dict], batch: int) -> str:
    """One row for each number of steps."""
    head = ["steps", "pictures seen", *(BARS[name][0] for name in CURVE)]
    rows = [
        [f"{step:,}", f"{step * batch:,}", *(cell(row[name], BARS[name][2]) for name in CURVE)]
        for step, row in sorted(found.items())
    ]
    pictures = next(iter(found.values()))["used"]["pictures"]
    return f"{markdown(head, rows)}\n\n{pictures} pictures each, the same noise for all."


def cell(figure: dict | None, unit: str) -> str:
    """A figure with its interval and number; nothing where it was not measured."""
    if not figure or figure["value"] is None:
        return ""
    times, tail, digits = (100, " %", 0) if unit == "%" else (1, f" {unit}" if unit else "", None)

    def shown(value: float) -> str:
        value *= times
        return f"{value:.{digits}f}" if digits is not None else f"{value:.3g}"

    low, high = figure.get("low"), figure.get("high")
    within = f" ({shown(low)} to {shown(high)}; {figure['n']})" if low is not None else ""
    return f"{shown(figure['value'])}{tail}{within}"


def write(models: Path, runs: Path, docs: Path, batches: dict[str, int]) -> list[str]:
    """Fill the marked tables of docs/quality.md, and draw the curves; returns what was written.

    `batches` says how many pictures a step of each kind of run saw.
    """
    page, done = docs / "quality.md", []
    if not page.is_file():
        return done
    tables = {"bars": bars({p.parent.name: _read(p) for p in sorted(models.glob("*/eval.json"))})}
    for kind, batch in batches.items():
        kept = sorted((runs / kind / "kept").glob(f"{kind}-*/eval.json"))
        found = {int(path.parent.name.split("-")[1]): _read(path) for path in kept}
        if len(found) < 2:
            continue
        tables[f"curve-{kind}"] = curve(found, batch)
        lines = {
            BARS[name][0]: {
                "curve": [(s * batch, max(found[s][name]["value"], 1e-3)) for s in sorted(found)]
            }
            for name in CURVE[:2]
        }
        plot(lines, docs / "images" / f"curve-{kind}.png", "share of pictures", "pictures seen", 1)
    text = page.read_text(encoding="utf-8")
    for name, table in tables.items():
        if f"<!-- {name} -->" in text:
            text = replace(text, name, table)
            done.append(name)
    page.write_text(text, encoding="utf-8")
    return done


def _read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))
