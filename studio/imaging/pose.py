"""From maps of keypoints and limbs to people, and from people to the figure a network is shown.

Cao et al. 2017: keypoints are the heat's peaks; two belong together when the field between them
points along the limb; the best pairs are taken first, and pairs that share a keypoint are one
person. Plain arrays, no torch.
"""

from __future__ import annotations

import cv2
import numpy as np

PARTS = 18  # nose, neck, right arm, left arm, right leg, left leg, eyes, ears
LIMBS = (  # two keypoints, and the first of the two maps of the field between them
    (1, 2, 12), (1, 5, 20), (2, 3, 14), (3, 4, 16), (5, 6, 22), (6, 7, 24), (1, 8, 0), (8, 9, 2),
    (9, 10, 4), (1, 11, 6), (11, 12, 8), (12, 13, 10), (1, 0, 28), (0, 14, 30), (14, 16, 34),
    (0, 15, 32), (15, 17, 36),
)  # fmt: skip
FINER = 4  # times the grid on which peaks are looked for
LEAST, ALONG, SHARE = 0.1, 0.05, 0.8  # of a peak; of the field on a limb, on this much of it
REACH = 3  # px of that finer grid
SAMPLES = 10
WHOLE = 3  # keypoints that a person has at least
DIM = 0.6  # of a limb's colour beside its ends'


def people(heat: np.ndarray, fields: np.ndarray) -> np.ndarray:
    """(h, w, 19) and (h, w, 38) → (N, 18, 3): x, y ∈ [0, 1] and the peak, all 0 where unseen."""
    height, width = (FINER * side for side in heat.shape[:2])
    heat, fields = (
        cv2.resize(maps, (width, height), interpolation=cv2.INTER_CUBIC) for maps in (heat, fields)
    )
    found = [peaks(heat[..., part]) for part in range(PARTS)]
    persons: list[dict[int, int]] = []  # part: which of its peaks
    for a, b, place in LIMBS:
        for one, other in pairs(found[a], found[b], fields[..., place : place + 2]):
            _join(persons, (a, one), (b, other))
    made = np.zeros((len(persons), PARTS, 3), np.float32)
    for person, parts in zip(made, persons, strict=True):
        for part, which in parts.items():
            x, y, score = found[part][which]
            person[part] = (x + 0.5) / width, (y + 0.5) / height, score
    return made[(made[..., 2] > 0).sum(axis=1) >= WHOLE]


def peaks(heat: np.ndarray) -> np.ndarray:
    """(K, 3) of x, y, height: what is highest within REACH px and above LEAST, one of equals."""
    around = cv2.dilate(heat, np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8))
    rows, columns = np.nonzero((heat >= around) & (heat > LEAST))
    found: list[tuple[int, int]] = []
    for x, y in zip(columns.tolist(), rows.tolist(), strict=True):
        if all(max(abs(x - a), abs(y - b)) > REACH for a, b in found):
            found.append((x, y))
    return np.array([(x, y, heat[y, x]) for x, y in found], np.float32).reshape(-1, 3)


def pairs(ones: np.ndarray, others: np.ndarray, field: np.ndarray) -> list[tuple[int, int]]:
    """Which peaks a limb joins, the best first and none twice. field (H, W, 2): x, y."""
    scored = []
    for i, one in enumerate(ones):
        for j, other in enumerate(others):
            way = other[:2] - one[:2]
            length = float(np.hypot(*way))
            if length == 0:
                continue
            steps = np.linspace(0, 1, SAMPLES)[:, None]
            columns, rows = np.round(one[:2] + steps * way).astype(int).T
            along = field[rows, columns] @ (way / length)
            if (along > ALONG).mean() >= SHARE:
                scored.append((float(along.mean()), i, j))
    taken: list[tuple[int, int]] = []
    used: tuple[set[int], set[int]] = (set(), set())
    for _, i, j in sorted(scored, reverse=True):
        if i not in used[0] and j not in used[1]:
            taken.append((i, j))
            used[0].add(i)
            used[1].add(j)
    return taken


def _join(persons: list[dict[int, int]], one: tuple[int, int], other: tuple[int, int]) -> None:
    """Add a limb: to whoever has one of its ends, between two who fit together, or as a new one."""
    having = [p for p in persons if p.get(one[0]) == one[1] or p.get(other[0]) == other[1]]
    if not having:
        persons.append(dict([one, other]))
    elif len(having) == 1:
        for part, which in (one, other):
            having[0].setdefault(part, which)
    elif not having[0].keys() & having[1].keys():
        having[0].update(having[1])
        persons[:] = [p for p in persons if p is not having[1]]


def drawn(persons: np.ndarray, size: tuple[int, int], threshold: float, width: float) -> np.ndarray:
    """The figure as control networks know it: a hue for each limb and keypoint, on black.

    persons (N, 18, 3); keypoints whose peak is not above `threshold` are left out. (H, W, 3).
    """
    height, across = size
    hues = np.array([[[10 * k, 255, 255]] for k in range(PARTS)], np.uint8)  # OpenCV's 180 a turn
    colours = cv2.cvtColor(hues, cv2.COLOR_HSV2RGB)[:, 0].astype(int)
    paper = np.zeros((height, across, 3), np.uint8)
    thick = max(1, round(width))
    spots = np.round(persons[..., :2] * (across, height) * 16).astype(int)
    seen = persons[..., 2] > threshold
    for where, there in zip(spots, seen, strict=True):
        for k, (a, b, _) in enumerate(LIMBS):
            if there[a] and there[b]:
                dim = tuple(int(DIM * value) for value in colours[k])
                ends = tuple(map(int, where[a])), tuple(map(int, where[b]))
                cv2.line(paper, *ends, dim, thick, cv2.LINE_AA, shift=4)
    for where, there in zip(spots, seen, strict=True):
        for k in map(int, np.nonzero(there)[0]):
            spot = tuple(map(int, where[k]))
            colour = tuple(map(int, colours[k]))
            cv2.circle(paper, spot, 16 * thick, colour, -1, cv2.LINE_AA, shift=4)
    return paper
