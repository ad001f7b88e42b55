"""A synthetic click log: 13 numbers and 26 Zipf categories whose labels come from a known probability.

The best AUC that any model could reach is therefore known too: that of the probability itself.

Legend: n rows, N numbers, F fields, R rank of the interactions.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist.core.files import whole_folder
from shortlist.metrics.auc import auc

NUMBERS = 13
CARDINALITIES = (
    *(10, 20, 30, 50, 100, 100, 200, 300, 500),
    *(1_000, 1_000, 2_000, 3_000, 5_000),
    *(10_000, 10_000, 20_000, 30_000, 50_000),
    *(100_000, 200_000, 400_000),
    *(1_000_000, 1_000_000, 1_000_000, 1_000_000),
)
"""Values of each of the 26 fields: 4.8 million in all."""
TINY = tuple(min(size, 500) for size in CARDINALITIES)
_ZIPF = 1.1
_FREQUENT = 100
"""Only these most frequent values of a field have an effect: the others are too rare to be learnt in one pass."""
_RANK = 4
_PAIRS = 12
_PAIR_WEIGHT = 0.35
"""Numbers, values and pairs of values then share the variance of the logits at about 15, 26 and 6."""
_LOGIT_DEVIATION = 1.38
_LOGIT_MEAN = -1.1
"""Of the logits; together they make a best AUC of about .80 at a quarter of clicks."""

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Rows:
    """Rows of one part of the log."""

    numbers_nN: Floats
    ids_nF: Ints
    """From 0, the most frequent value first; below the field's cardinality."""
    label_n: Floats
    best_auc: float
    """Of the probability that the labels were drawn from."""

    def __len__(self) -> int:
        return len(self.label_n)


class Clicks:
    """The law of one log; `rows` draws from it."""

    def __init__(self, cardinalities: tuple[int, ...] = CARDINALITIES, seed: int = 0) -> None:
        random = np.random.default_rng([seed, 1])
        self.cardinalities = cardinalities
        self.seed = seed
        self._main = [_effects(random, size, 1) for size in cardinalities]
        self._latent = [_effects(random, size, _RANK) for size in cardinalities]
        places = [tuple(random.choice(len(cardinalities), 2, replace=False)) for _ in range(_PAIRS)]
        self._pairs = [(int(left), int(right)) for left, right in places]
        self._linear_N = random.normal(size=NUMBERS)
        self._square_N = random.normal(size=NUMBERS) * 0.3
        numbers_nN, ids_nF = self._features(np.random.default_rng([seed, 2]), 20_000)
        score_n = self._score(numbers_nN, ids_nF)
        self._shift, self._scale = score_n.mean(), _LOGIT_DEVIATION / score_n.std()

    def rows(self, count: int, part: int) -> Rows:
        """`count` rows; another `part` gives others of the same law."""
        random = np.random.default_rng([self.seed, 3, part])
        numbers_nN, ids_nF = self._features(random, count)
        logit_n = (self._score(numbers_nN, ids_nF) - self._shift) * self._scale + _LOGIT_MEAN
        probability_n = 1 / (1 + np.exp(-logit_n))
        label_n = (random.random(count) < probability_n).astype(np.float32)
        return Rows(numbers_nN, ids_nF, label_n, float(auc(probability_n, label_n)))

    def _features(self, random: np.random.Generator, count: int) -> tuple[Floats, Ints]:
        numbers_nN = random.standard_normal((count, NUMBERS), dtype=np.float32)
        ids_nF = np.empty((count, len(self.cardinalities)), np.int32)
        for place, size in enumerate(self.cardinalities):
            ids_nF[:, place] = zipf(random.random(count), size)
        return numbers_nN, ids_nF

    def _score(self, numbers_nN: Floats, ids_nF: Ints) -> npt.NDArray[np.float64]:
        score_n = numbers_nN @ self._linear_N + (numbers_nN**2 - 1) @ self._square_N
        for place, effect in enumerate(self._main):
            score_n += effect[np.minimum(ids_nF[:, place], len(effect) - 1), 0]
        for left, right in self._pairs:
            first, second = self._latent[left], self._latent[right]
            left_nR = first[np.minimum(ids_nF[:, left], len(first) - 1)]
            right_nR = second[np.minimum(ids_nF[:, right], len(second) - 1)]
            score_n += _PAIR_WEIGHT * (left_nR * right_nR).sum(1)
        return np.asarray(score_n, np.float64)


def zipf(uniform_n: npt.NDArray[np.float64], size: int, exponent: float = _ZIPF) -> Ints:
    """Ranks from 0 below `size` whose frequency falls as 1 / rank^exponent, by the continuous law's inverse."""
    power = 1 - exponent
    rank_n = ((size + 1.0) ** power * uniform_n + (1 - uniform_n)) ** (1 / power)
    found: Ints = np.minimum(rank_n.astype(np.int64) - 1, size - 1).astype(np.int32)
    return found


def _effects(random: np.random.Generator, size: int, rank: int) -> npt.NDArray[np.float64]:
    """Effects of the frequent values, and a last row of zeros for all others."""
    frequent = min(size, _FREQUENT)
    effects = random.normal(size=(frequent, rank))
    return np.concatenate([effects, np.zeros((1, rank))])


def write_clicks(folder: Path, train: int, valid: int, cardinalities: tuple[int, ...], seed: int) -> dict[str, Any]:
    """Write the log as .npy files, `PART_numbers`, `PART_ids` and `PART_label`, unless it is there; its facts."""
    facts = folder / "clicks.json"
    # The product wants some rows for a test of everything too.
    rows_of = {"train": train, "valid": valid, "test": 100}
    if not facts.is_file():
        law = Clicks(cardinalities, seed)
        with whole_folder(folder) as draft:
            best = {}
            for place, (part, count) in enumerate(rows_of.items()):
                rows = law.rows(count, place)
                np.save(draft / f"{part}_numbers.npy", rows.numbers_nN)
                np.save(draft / f"{part}_ids.npy", rows.ids_nF)
                np.save(draft / f"{part}_label.npy", rows.label_n)
                best[part] = rows.best_auc
            written = {"rows": rows_of, "cardinalities": cardinalities, "best_auc": best}
            (draft / facts.name).write_text(json.dumps(written) + "\n", encoding="utf-8")
    found: dict[str, Any] = json.loads(facts.read_text(encoding="utf-8"))
    return found
