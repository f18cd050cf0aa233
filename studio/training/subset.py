"""Which pictures a denoiser trains on, and how often each: a core of well-known things, drawn by a
few sets.

A CPU affords a few hundred thousand samples. Spent on a couple of hundred concepts they give
recognisable pictures; spent on all fourteen hundred they give coloured clouds. A later, longer run
widens the list and starts from these weights.
"""

from studio.training import exact, wellknown
from studio.training.dataset import IconData

STYLES = ("noto", "twemoji", "emojione", "fluent-emoji-flat")
CORE_WEIGHT, OTHER_WEIGHT = 3.0, 1.0


def choose(
    data: IconData, others: int = 90, styles: tuple[str, ...] = STYLES
) -> tuple[list[int], list[float]]:
    """(rows, weights): the core, and `others` further concepts that nearly every set draws."""
    core = set(wellknown.core())
    often = wellknown.drawn_often(data, exact.STYLES + 1, exact.GROUPS)
    spare = [slug for slug in often if slug not in core]
    extra = set(spare[:: max(1, len(spare) // others)][:others]) if others else set()
    rows, weights = [], []
    for row, record in enumerate(data.records):
        if (
            not record.held
            and record.set in styles
            and (record.concept in core or record.concept in extra)
        ):
            rows.append(row)
            weights.append(CORE_WEIGHT if record.concept in core else OTHER_WEIGHT)
    return rows, weights


def rows(data: IconData, concepts: int | None) -> tuple[list[int], list[float]]:
    """(rows, weights) of a recipe: the core and `concepts` more; everything in equal shares for
    None.
    """
    if concepts is None:
        everything = data.train_rows()
        return everything, [1.0] * len(everything)
    return choose(data, concepts)
