"""The table of a card: what `python -m studio eval` measured, out of `eval.json`, good or bad.

It stands between two marks, so that a later evaluation renews it and leaves the rest of the card.
"""

import json
import re
from pathlib import Path

FIRST, LAST = "<!-- evaluation -->", "<!-- end of the evaluation -->"
BARS = {  # what a figure is called, its bar, its unit or format
    "retrieval_at_1": ("concept of the nearest training picture", "≥ 80 %", "%"),
    "retrieval_at_5": ("concept among the five nearest", "≥ 95 %", "%"),
    "synonyms_at_5": ("held-out words, among the five nearest", "≥ 50 %", "%"),
    "frechet": ("Fréchet distance to held-out pictures", "", ""),
    "kid": ("KID to held-out pictures", "", ""),
    "edge_f1": ("edges' F1 against the lines given", "≥ 0.75", ""),
    "autoencoder_psnr": ("autoencoder, PSNR", "≥ 30 dB", "dB"),
    "autoencoder_ssim": ("autoencoder, SSIM", "≥ 0.95", ""),
    "seconds_per_picture": ("one guided picture, by the clock", "≤ 2 s", "s"),
    "near_copies": ("nearly identical to a training picture", "", "%"),
}
ALSO = {
    "colours": ("colours that never occurred are obeyed", "", "%"),
    "precision": ("precision", "", "%"),
    "recall": ("recall", "", "%"),
    "sfid": ("Fréchet distance of spatial features", "", ""),
    "inception_score": ("inception score", "", ""),
}


def section(folder: Path) -> str:
    """The table between its marks; a line that says so where nothing was evaluated."""
    file = folder / "eval.json"
    inner = table(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else NOTHING
    return f"{FIRST}\n{inner}\n{LAST}"


def renew(folder: Path) -> bool:
    """Put the table into the folder's card where its marks are; whether there were any."""
    card = folder / "README.md"
    if not card.is_file():
        return False
    text = card.read_text(encoding="utf-8")
    marked = re.compile(f"{re.escape(FIRST)}.*?{re.escape(LAST)}", re.DOTALL)
    if not marked.search(text):
        return False
    made = section(folder)
    card.write_text(marked.sub(lambda _: made, text), encoding="utf-8")
    return True


def table(found: dict) -> str:
    """Markdown: each figure with its interval and n, its bar, and what was used below."""
    rows = ["| measured | | 95 % | n | bar |", "|---|---|---|---|---|"]
    rows += [_row(found[name], *BARS[name]) for name in BARS if name in found]
    rows += [_row(found["also"][name], *ALSO[name]) for name in ALSO if name in found["also"]]
    used, taught = found["used"], found["used"]["taught"]
    notes = [
        f"{used['pictures']} pictures, {used['steps']} steps of {used['sampler']}, guidance "
        f"{used['guidance']:g}, seed {used['seed']}; {used['device']}, {used['threads']} "
        f"thread(s). Features: {used['features']}. Asked for what it was taught: "
        f"{taught['concepts']} of {taught['of']} concepts ({100 * taught['share']:.0f} %)."
    ]
    figures = found["also"] | found
    said = {name: figures[name] for name in NOTES if name in figures}
    notes += [NOTES[name](one, found) for name, one in said.items() if one["value"] is not None]
    missing = [
        f"{named[0]}: {said['why']}"
        for name, named in (BARS | ALSO).items()
        if (said := found.get(name) or found["also"].get(name)) and said["value"] is None
    ]
    if missing:
        notes.append("Not measured — " + "; ".join(missing) + ".")
    notes.append("`docs/evaluation.md` says how all this is measured.")
    return "\n".join([*rows, "", *(f"- {note}" for note in notes)])


def _row(said: dict, words: str, bar: str, unit: str) -> str:
    if said["value"] is None:
        return f"| {words} | — | | | {bar} |"
    value, low, high = (_number(said[part], unit) for part in ("value", "low", "high"))
    unit = f" {unit}" if unit else ""
    return f"| {words} | {value}{unit} | {low} to {high} | {said['n']} | {bar} |"


def _number(value: float, unit: str) -> str:
    return f"{100 * value:.1f}" if unit == "%" else f"{value:.3g}"


def _ceiling(said: dict, found: dict) -> str:
    held, taught = said["held_out"], said["held_out_taught"]
    five_held = found["retrieval_at_5"]["held_out"]
    own = "" if taught["value"] is None else f", of taught concepts {100 * taught['value']:.0f} %"
    chance = f"chance {100 * said['chance']:.2f} %."
    if not held["n"]:
        return f"Of real held-out pictures there were none to compare with; {chance}"
    return (
        f"Real held-out pictures find their own concept in {100 * held['value']:.0f} % "
        f"({held['n']}{own}), among five in {100 * five_held['value']:.0f} %; {chance}"
    )


def _bias(said: dict, found: dict) -> str:
    floor = said["floor"]
    return (
        f"The Fréchet distance is biased upwards by small numbers ({said['n']} against "
        f"{said['held_out']}): extrapolated to endless ones it is {said['infinite']:.3g}. As many "
        f"real training pictures of the same things are {floor['value']:.3g} away, extrapolated "
        f"{floor['infinite']:.3g}."
    )


def _copied(said: dict, found: dict) -> str:
    return (
        f"Nearly identical: {said['distance']}, at most {said['threshold']:.3g}; "
        f"{100 * (1 - said['copies_missed']):.0f} % of training pictures through the autoencoder "
        f"and back count as copies then, {100 * said['others_taken']:.1f} % of other styles' "
        "pictures of the same thing do."
    )


def _coloured(said: dict, found: dict) -> str:
    return (
        f"Without the colour's word the same noise has that colour in "
        f"{100 * said['without_the_word']:.0f} %."
    )


def _free(said: dict, found: dict) -> str:
    return f"Without the control the edges' F1 is {said['without']:.3g}."


def _busy(said: dict, found: dict) -> str:
    return (
        f"One picture took {said['least']:.3g} to {said['most']:.3g} s by the clock and "
        f"{said['processor']:.3g} s of the processor (load {said['load']:.0f})."
    )


NOTHING = "Not evaluated yet: `python -m studio eval` does."
NOTES = {  # what is said of a figure that was measured
    "retrieval_at_1": _ceiling,
    "frechet": _bias,
    "near_copies": _copied,
    "colours": _coloured,
    "edge_f1": _free,
    "seconds_per_picture": _busy,
}
