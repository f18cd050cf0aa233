"""The inception score: whether each picture is clearly something, and all together everything.

Salimans et al. 2016: exp E KL(p(y|x) ‖ p(y)), between 1 and the number of classes. Of any
classifier's probabilities; comparable only between equal ones.
"""

from __future__ import annotations

import numpy as np


def inception_score(probabilities: np.ndarray) -> float:
    """Of p(y|x) (N, K), x ranging over made pictures; p(y) is their mean."""
    p = probabilities.astype(np.float64)
    q = p.mean(0)
    ratio = np.where(p > 0, p, 1.0) / np.where(q > 0, q, 1.0)  # 0·log 0 is 0
    return float(np.exp((p * np.log(ratio)).sum(1).mean()))
