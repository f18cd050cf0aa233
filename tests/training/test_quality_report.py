"""The tables of docs/quality.md, from figures that are known."""

import json

from PIL import Image

from studio.training import quality_report

FIGURE = {"value": 0.5625, "n": 240, "low": 0.479, "high": 0.646}
NOTHING = {"value": None, "n": 0, "low": None, "high": None}
PAGE = "Before\n<!-- bars -->\nold\n<!-- / -->\nbetween\n<!-- curve-dit -->\nold\n<!-- / -->\n"


def evaluation(share: float) -> dict:
    named = {name: {**FIGURE, "value": share} for name in quality_report.CURVE}
    psnr = {"value": 30.4969, "n": 156, "low": 29.85, "high": 31.16}
    return {**named, "autoencoder_psnr": psnr, "synonyms_at_5": NOTHING, "used": {"pictures": 240}}


def put(folder, found: dict) -> None:
    folder.mkdir(parents=True)
    (folder / "eval.json").write_text(json.dumps(found))


def test_a_figure_stands_with_its_interval_and_number():
    assert quality_report.cell(FIGURE, "%") == "56 % (48 to 65; 240)"
    psnr = evaluation(0.5)["autoencoder_psnr"]
    assert quality_report.cell(psnr, "dB") == "30.5 dB (29.9 to 31.2; 156)"
    assert quality_report.cell(NOTHING, "%") == quality_report.cell(None, "%") == ""


def test_every_bar_has_a_row_and_every_model_a_column(tmp_path):
    docs, models = tmp_path / "docs", tmp_path / "models"
    docs.mkdir()
    (docs / "quality.md").write_text(PAGE)
    put(models / "icons-a", evaluation(0.64))
    put(models / "icons-b", {**evaluation(0.2), "synonyms_at_5": FIGURE})
    for step, share in ((100, 0.2), (900, 0.6), (1000, 0.7)):
        put(tmp_path / f"runs/dit/kept/dit-{step:06d}", evaluation(share))
    done = quality_report.write(models, tmp_path / "runs", docs, {"dit": 48, "flow": 48})
    text = (docs / "quality.md").read_text()
    assert done == ["bars", "curve-dit"] and "old" not in text and text.startswith("Before\n")
    assert "|  | bar | `icons-a` | `icons-b` |" in text
    words = next(line for line in text.splitlines() if line.startswith("| held-out words"))
    assert words.endswith("| — | 56 % (48 to 65; 240) |")
    steps = [line.split(" | ")[0] for line in text.splitlines() if "43,200" in line]
    assert steps == ["| 900"]
    assert text.index("| 100 |") < text.index("| 900 |") < text.index("| 1,000 |")
    assert Image.open(docs / "images" / "curve-dit.png").size[0] > 400


def test_without_the_page_nothing_is_written(tmp_path):
    assert quality_report.write(tmp_path, tmp_path, tmp_path, {"dit": 48}) == []
