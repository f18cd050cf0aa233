"""The comparisons' tables, out of `runs/ablation/*.json` into the documents: whatever lies
between `<!-- NAME -->` and `<!-- / -->` is replaced. No figure is written by hand.
"""

import json
import re
from pathlib import Path

from studio.errors import BadData
from studio.training.ablation_plot import plot
from studio.training.judging import figure

REFERENCE = "adaLN-Zero"  # what the other blocks' losses are compared with
BASE = "base"  # and the other ideas'
Rows = list[list[str]]


def shown(value: dict, digits: int = 3) -> str:
    """A figure with its standard error."""
    return f"{value['value']:.{digits}f} ± {value['error']:.{digits}f}"


def percent(value: dict) -> str:
    return f"{100 * value['value']:.0f} ± {100 * value['error']:.0f} %"


def markdown(head: list[str], rows: Rows) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def blocks(found: dict) -> str:
    head = ["block", "parameters", "million MACs a forward", "pictures seen", "processor time"]
    head += ["loss, held out", f"less {REFERENCE}'s", "loss, seen", "cost of a wrong class"]
    head += ["@1", "@5", "likeness"]
    rows = []
    for name, row in found.items():
        rows.append(
            [
                name if "patch" in name else f"{name}, patch 4",
                f"{row['parameters']:,}",
                f"{row['macs'] / 1e6:.1f}",
                f"{row['pictures']:,}",
                f"{row['seconds']:.0f} s",
                shown(row["loss"], 4),
                _less(row, found.get(REFERENCE)),
                shown(row["loss_seen"], 4),
                shown(row["heeded"], 4),
                *_seen(row),
            ]
        )
    spent = next(iter(found.values()))["config"]["giga"]
    return f"{markdown(head, rows)}\n\nEach after {spent:,g}·10⁹ multiply–accumulates of training."


def _less(row: dict, reference: dict | None) -> str:
    """The mean difference of the same pictures' losses, which differ much less than they vary."""
    if reference is None or row is reference:
        return ""
    pairs = zip(row["losses"], reference["losses"], strict=True)
    gap = figure([a - b for a, b in pairs])
    return f"{gap['value']:+.4f} ± {gap['error']:.4f}"


def ddpm_bits(found: dict) -> str:
    ways = {"beta": "variance β", "tilde": "variance β̃", "learned": "learned variance"}
    rows = [
        [name]
        + [shown(row["bits"][way]) if way in row["bits"] else "" for way in ways]
        + [f"{row['seconds']:.0f} s"]
        for name, row in found.items()
    ]
    table = markdown(["schedule, variance", *ways.values(), "processor time"], rows)
    config = next(iter(found.values()))["config"]
    return f"{table}\n\nAfter {config['steps']:,} steps of {config['batch']} pictures."


def ddpm_drawn(found: dict) -> str:
    ways = {"beta": "β", "tilde": "β̃", "learned": "learned"}
    counts, rows = [], []
    for name, row in found.items():
        counts = row["config"]["counts"]
        for way, said in ways.items():
            cells = [row["drawn"].get(f"{way}, {count}") for count in counts]
            if all(cells):
                text = [f"{percent(c['retrieval_at_5'])}; {shown(c['likeness'])}" for c in cells]
                rows.append([f"{name.split(',')[0]}, {said}", *text])
    return markdown(["schedule, variance", *(f"{count} steps" for count in counts)], rows)


def reflow_bent(found: dict) -> str:
    rows, counts = [], []
    for name, row in found.items():
        counts = row["config"]["counts"]
        far = shown(row["from_start"]) if "from_start" in row else ""
        gaps = [shown(row["few"][str(count)]["rmse"]) for count in counts]
        rows.append([name, shown(row["straightness"]), far, *gaps])
    head = ["flow", "straightness S", "from the start's ends"]
    table = markdown([*head, *(f"RMSE, {count} steps" for count in counts)], rows)
    config = next(iter(found.values()))["config"]
    said = f"The start after {config['steps']:,} steps of {config['batch']} pictures"
    return f"{table}\n\n{said}; {config['more']:,} more for the others."


def reflow_drawn(found: dict) -> str:
    rows, counts, many = [], [], 0
    for name, row in found.items():
        counts, many = row["config"]["counts"], row["config"]["reference"]
        cells = [*(row["few"][str(count)] for count in counts), row["reference"]]
        text = [f"{percent(c['retrieval_at_5'])}; {shown(c['likeness'])}" for c in cells]
        rows.append([name, *text])
    return markdown(["flow", *(f"{count} steps" for count in [*counts, many])], rows)


def ideas(found: dict) -> str:
    head = ["changed", "processor time", "loss, half way", "loss, held out", f"less {BASE}'s"]
    head += ["little noise", "middle", "much noise", "cost of a wrong class"]
    head += ["@1", "@5", "likeness"]
    rows = []
    for name, row in found.items():
        drawn = [("", row["drawn"])]
        if "unguided" in row:
            drawn.append((", no guidance", row["unguided"]))
        for how, figures in drawn:
            measured = [
                f"{row['seconds']:.0f} s",
                _half_way(row["curve"]),
                shown(row["loss"], 4),
                _less(row, found.get(BASE)),
                *(f"{third['value']:.3f}" for third in row["thirds"]),
                shown(row["heeded"], 4),
            ]
            rows.append([name + how, *(measured if not how else [""] * 8), *_seen(figures)])
    config = next(iter(found.values()))["config"]
    return f"{markdown(head, rows)}\n\nAfter {config['steps'] * config['batch']:,} pictures each."


def ideas_ema(found: dict) -> str:
    head = ["average", "loss, held out", "less the recipes'", "cost of a wrong class"]
    reference = found[BASE]["averages"][next(iter(found[BASE]["averages"]))]
    rows = [
        [
            name,
            shown(row["loss"], 4),
            _less(row, reference),
            shown(row["heeded"], 4),
            *_seen(row["drawn"]),
        ]
        for name, row in found[BASE]["averages"].items()
    ]
    return markdown([*head, "@1", "@5", "likeness"], rows)


def _half_way(curve: list) -> str:
    """A resumed run has other points beside it, and not always that one."""
    end = curve[-1][0]
    return next((f"{value:.4f}" for step, value in curve if step == -(-end // 2)), "")


def _seen(drawn: dict) -> list[str]:
    near = [percent(drawn[f"retrieval_at_{count}"]) for count in (1, 5)]
    return [*near, shown(drawn["likeness"])]


def replace(text: str, name: str, table: str) -> str:
    """`text` with what lies between the marks of `name` replaced, wherever there are such marks."""
    pattern = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(\n<!-- / -->)", re.S)
    return pattern.sub(lambda match: match[1] + table + match[2], text)


def write(runs: Path, docs: Path, seed: int) -> list[str]:
    """Fill every marked table of `docs`; returns the names of those written."""
    done = []
    for name, (kind, table) in TABLES.items():
        results = runs / f"{kind}-{seed}.json"
        if not results.is_file():
            continue
        found = json.loads(results.read_text())
        for path in sorted(docs.glob("*.md")):
            before = path.read_text(encoding="utf-8")
            after = replace(before, name, table(found))
            if f"<!-- {name} -->" in before:
                path.write_text(after, encoding="utf-8")
                done.append(name)
        if name == "blocks":
            plot(found, docs / "images" / "blocks.png")
    if not done:
        raise BadData(
            f"No results in {runs}, or no marked table in {docs}: run the comparison first."
        )
    return done


TABLES = {  # mark → the results it is of, and how it is written
    "blocks": ("blocks", blocks),
    "ddpm-bits": ("ddpm", ddpm_bits),
    "ddpm-drawn": ("ddpm", ddpm_drawn),
    "reflow-bent": ("reflow", reflow_bent),
    "reflow-drawn": ("reflow", reflow_drawn),
    "ideas": ("ideas", ideas),
    "ideas-ema": ("ideas", ideas_ema),
}
