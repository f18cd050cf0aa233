"""From pictures to figures: pure functions of what was drawn and of the real ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from studio.evaluation.figures import Figure, between, mean, none, share
from studio.evaluation.reals import Reals, chance, hits
from studio.evaluation.spaces import Described
from studio.metrics import copies, frechet, hues, kernel
from studio.metrics.distance import ssim
from studio.metrics.entropy import inception_score
from studio.metrics.manifold import NEIGHBOURS, inside
from studio.training.subset import STYLES

FEW = 30  # pictures: below so many there is no distance of distributions
NAMED = 0.5  # of the coloured pixels have a colour where the thing has it


def retrieval(
    made: Described, asked: Sequence[str], real: Reals, taught: Sequence[str], first: int
) -> Figure:
    """Whether the nearest training pictures show what was asked for, beside what real held-out
    pictures reach (all, and those of taught concepts) and what chance would.
    """
    names = real.concepts(real.rows)
    found = hits(made, asked, real.gallery, names, first)
    held = real.concepts(real.held)
    known = hits(real.held_gallery, held, real.gallery, names, first) if held else []
    own = [hit for hit, concept in zip(known, held, strict=True) if concept in set(taught)]
    more = {
        "held_out": {"value": float(np.mean(known)) if known else None, "n": len(known)},
        "held_out_taught": {"value": float(np.mean(own)) if own else None, "n": len(own)},
        "chance": chance(asked, names, first),
        "gallery": len(names),
    }
    return share(found, asked, **more)


def synonyms(made: Described, asked: Sequence[str], words: Sequence[str], real: Reals) -> Figure:
    """Whether held-out words find their concept among the five nearest."""
    found = hits(made, asked, real.gallery, real.concepts(real.rows), 5)
    return share(found, words, words=len(set(words)))


def distances(
    made: Described, real: Reals, taught: Sequence[str], seed: int
) -> tuple[Figure, Figure]:
    """(Fréchet, KID) against the held-out pictures; beside them the distance extrapolated to
    endless clouds, and that of as many real training pictures of the same concepts: the floor.
    """
    other = real.held_gallery.features
    if min(len(made), len(other)) < FEW:
        few = none(f"distributions of fewer than {FEW} pictures are not compared")
        return few, few
    random = np.random.default_rng(seed)
    rows = random.permutation(real.of(taught))[: len(made)]
    known = real.gallery.features[rows]
    found = frechet.infinite(made.features, other, seed=seed)
    endless = {
        "infinite": found.value,
        "bias": [[share, value] for share, value in found.points],
        "held_out": len(other),
    }
    floor = {"value": frechet.distance(known, other), "n": len(known)}
    floor["infinite"] = frechet.infinite(known, other, seed=seed).value
    return (
        between(frechet.distance, made.features, other, **endless, floor=floor),
        between(
            kernel.kid,
            made.features,
            other,
            held_out=len(other),
            floor={"value": kernel.kid(known, other), "n": len(known)},
        ),
    )


def beside(made: Described, real: Reals, taught: Sequence[str]) -> dict[str, Figure]:
    """What the literature asks for too: precision, recall, sFID, the inception score."""
    known = real.gallery.some(real.of(taught))
    if min(len(made), len(known)) < FEW:
        few = none(f"distributions of fewer than {FEW} pictures are not compared")
        return dict.fromkeys(("precision", "recall", "sfid", "inception_score"), few)
    found = {
        "precision": share(inside(made.features, known.features), neighbours=NEIGHBOURS),
        "recall": share(inside(known.features, made.features), neighbours=NEIGHBOURS),
    }
    nothing = none("these features have none")
    if made.spatial.shape[1]:
        found["sfid"] = between(
            frechet.distance, made.spatial, real.held_gallery.spatial, held_out=len(real.held)
        )
    if made.probabilities.shape[1]:
        found["inception_score"] = _score(made.probabilities, real.held_gallery.probabilities)
    return {"sfid": nothing, "inception_score": nothing} | found


def _score(p: np.ndarray, held: np.ndarray) -> Figure:
    def statistic(some: np.ndarray, _: np.ndarray) -> float:
        return inception_score(some)

    return between(statistic, p, p[:2], held_out=inception_score(held))


def near_copies(
    made: Sequence[np.ndarray], real: Reals, places: Sequence[int], decoded: Sequence[np.ndarray]
) -> Figure:
    """The share of made pictures with a training picture as near as the autoencoder's own errors
    would leave it. `places` in the gallery, `decoded` those pictures through the autoencoder.
    """
    same = copies.apart(copies.small(decoded), real.small[list(places)])
    other = _other_styles(real)
    at, missed, taken = copies.threshold(same, other)
    _, found = copies.nearest(copies.small(made), real.small)
    quartiles = [float(q) for q in np.percentile(found, [5, 25, 50])]
    more = {
        "distance": "RMS difference of the pictures at 32 px, in [0, 1]",
        "threshold": at,
        "copies_missed": missed,
        "others_taken": taken,
        "round_trips": {"n": len(same), "median": float(np.median(same))},
        "other_styles": {"n": len(other), "median": float(np.median(other))},
        "nearest_5_25_50_percent": quartiles,
    }
    return share(found <= at, **more)


def _other_styles(real: Reals) -> np.ndarray:
    """The differences of pictures of one concept by two of the usual sets."""
    by: dict[str, list[int]] = {}
    for place, row in enumerate(real.rows):
        if real.data.records[row].set in STYLES:
            by.setdefault(real.data.records[row].concept, []).append(place)
    pairs = [some[:2] for some in by.values() if len(some) > 1]
    if not pairs:
        pairs = [[0, len(real.rows) - 1]]
    one, two = zip(*pairs, strict=True)
    return copies.apart(real.small[list(one)], real.small[list(two)])


def colours(
    made: Sequence[np.ndarray], plain: Sequence[np.ndarray], words: Sequence[str],
    things: Sequence[str],
) -> Figure:  # fmt: skip
    """The share of things that mostly have the colour asked for, beside the same noise without the
    word.
    """
    got = [hues.share(picture, word) for picture, word in zip(made, words, strict=True)]
    was = [hues.share(picture, word) for picture, word in zip(plain, words, strict=True)]
    more = {
        "without_the_word": float(np.mean([value >= NAMED for value in was])),
        "mean_share": [float(np.mean(was)), float(np.mean(got))],
        "things": len(set(things)),
    }
    return share([value >= NAMED for value in got], things, **more)


def autoencoder(
    decode: Callable[[np.ndarray], np.ndarray], pictures: Sequence[np.ndarray]
) -> tuple[Figure, Figure]:
    """(PSNR in dB, SSIM) of pictures through the autoencoder and back, each picture's own."""
    decibels, similar = [], []
    for picture in pictures:
        back = decode(picture)
        error = np.square((back.astype(np.float64) - picture) / 255).mean()
        decibels.append(float(-10 * np.log10(max(error, 1e-10))))
        similar.append(ssim(back, picture))
    window = {"window": "Gaussian, 1.5 px (Wang et al. 2004)"}
    return mean(decibels), mean(similar, **window)
