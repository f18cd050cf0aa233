"""Tables and the plot come out of the results, and only where a document has room for them."""

import numpy as np
import pytest
from PIL import Image

from studio.errors import BadData
from studio.training import ablation_report as report


def figure(value, error=0.01):
    return {"value": value, "error": error, "n": 4}


def block(loss, **more):
    seen = {"retrieval_at_1": figure(0.25), "retrieval_at_5": figure(0.5), "likeness": figure(0.8)}
    row = {"parameters": 1234567, "macs": 12_600_000, "pictures": 32000, "seconds": 61.4}
    row |= {
        "heeded": figure(0.02),
        "config": {"giga": 400.0},
        "loss": figure(loss),
        "loss_seen": figure(loss),
        "losses": [loss - 0.1, loss + 0.1],
    }
    return row | seen | {"curve": [[1e9, 2 * loss], [2e9, loss]]} | more


FOUND = {"in-context": block(0.5), "adaLN-Zero": block(0.4), "adaLN-Zero, patch 2": block(0.45)}


def test_the_table_has_a_row_for_each_and_the_paired_difference():
    lines = report.blocks(FOUND).splitlines()
    assert lines.pop() == "Each after 400·10⁹ multiply–accumulates of training."
    assert lines.pop() == ""
    assert len(lines) == 5 and len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith("| in-context, patch 4 | 1,234,567 | 12.6 | 32,000 | 61 s |")
    assert "| +0.1000 ± 0.0000 |" in lines[2] and "25 ± 1 %" in lines[2]
    assert "|  |" in lines[3]


def test_only_what_lies_between_the_marks_is_replaced():
    text = "a\n<!-- blocks -->\nold\n<!-- / -->\nb\n<!-- other -->\nkept\n<!-- / -->\n"
    made = report.replace(text, "blocks", "| \\new |")
    assert made == text.replace("old", "| \\new |")
    assert report.replace(made, "blocks", "| \\new |") == made


def test_the_plot_falls_from_left_to_right(tmp_path):
    report.plot({"one": block(0.4)}, tmp_path / "plot.png")
    blue = np.asarray(Image.open(tmp_path / "plot.png").convert("RGB")).astype(int)
    grey = np.abs(blue - (0x7F, 0x7F, 0x7F)).sum(2) == 0
    rows, columns = np.nonzero(grey[:, :500])
    left, right = rows[columns < 200].mean(), rows[columns > 400].mean()
    assert left < right


def test_results_without_a_place_for_them_are_said(tmp_path):
    with pytest.raises(BadData, match="run the comparison first"):
        report.write(tmp_path, tmp_path, 0)
