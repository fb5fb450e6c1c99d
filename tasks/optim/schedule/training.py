"""The trained network: a small MLP on scikit-learn's digits with label noise, all seeds and base rates as one batch.

1797 images of 8x8. Per seed: 1200 train images with a fifth of their labels replaced at random, 300 validation and
297 test images with clean ones; ReLU, softmax, SGD with momentum 0.9.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

BASE_RATES = (0.01, 0.03, 0.1, 0.3)
TRAIN, VALIDATION = 1200, 300
HIDDEN, BATCH, MOMENTUM, NOISE = 64, 16, 0.9, 0.2
STEPS_PER_EPOCH = TRAIN // BATCH


@dataclass(frozen=True)
class Split:
    """One seed's data: images (n, 64) and labels (n,) of the three parts."""

    train: tuple[Floats, Ints]
    validation: tuple[Floats, Ints]
    test: tuple[Floats, Ints]


def mean_test_error(schedules: Sequence[Sequence[float]], seeds: Sequence[int]) -> tuple[float, float]:
    """Percent, and its standard error over seeds.

    `schedules` has one list of multipliers per training budget. For each budget and seed the base rate with the lowest
    validation error is taken, and its test error counted; then the mean over budgets.
    """
    errors = np.mean([_errors_of_budget(tuple(multipliers), tuple(seeds)) for multipliers in schedules], axis=0)
    spread = float(errors.std(ddof=1) / np.sqrt(len(seeds))) if len(seeds) > 1 else 0.0
    return float(errors.mean()), spread


@cache
def _errors_of_budget(multipliers: tuple[float, ...], seeds: tuple[int, ...]) -> Floats:
    """Test error in percent per seed, shape (seeds,)."""
    splits = [_split(seed) for seed in seeds]
    with np.errstate(over="ignore", invalid="ignore"):
        weights = _train(splits, multipliers, seeds)
        validation = _error(weights, [split.validation for split in splits])
        test = _error(weights, [split.test for split in splits])
    best = validation.mean(axis=1).argmin()
    errors: Floats = 100 * test[best]
    return errors


def _train(splits: Sequence[Split], multipliers: Sequence[float], seeds: Sequence[int]) -> list[Floats]:
    """Weights with leading axes (rates, seeds); NaN where a rate is too high, so that its answers are wrong."""
    rates = np.array(BASE_RATES, np.float32)
    images = np.stack([split.train[0] for split in splits])
    labels = np.stack([split.train[1] for split in splits])
    chance = [np.random.default_rng([seed, 1]) for seed in seeds]
    weights = _initial(chance, len(rates))
    speeds = [np.zeros_like(w) for w in weights]
    rows = np.arange(len(seeds))[:, None]
    order = np.empty((len(seeds), TRAIN), np.int64)
    for step, multiplier in enumerate(multipliers):
        at = step % STEPS_PER_EPOCH
        if at == 0:
            order = np.stack([rng.permutation(TRAIN) for rng in chance])
        picked = order[:, at * BATCH : (at + 1) * BATCH]
        gradients = _gradients(weights, images[rows, picked], labels[rows, picked])
        for w, v, g in zip(weights, speeds, gradients, strict=True):
            v *= MOMENTUM
            g *= (rates * np.float32(multiplier)).reshape(-1, *([1] * (w.ndim - 1)))
            v -= g
            w += v
    return weights


def _initial(chance: Sequence[np.random.Generator], rates: int) -> list[Floats]:
    first = np.stack([rng.normal(0, (2 / 64) ** 0.5, (64, HIDDEN)) for rng in chance])
    second = np.stack([rng.normal(0, (2 / HIDDEN) ** 0.5, (HIDDEN, 10)) for rng in chance])
    shapes: list[Any] = [first, np.zeros((len(chance), 1, HIDDEN)), second, np.zeros((len(chance), 1, 10))]
    return [np.repeat(w[None].astype(np.float32), rates, axis=0) for w in shapes]


def _gradients(weights: Sequence[Floats], images: Floats, labels: Ints) -> tuple[Floats, ...]:
    w1, b1, w2, b2 = weights
    hidden = np.maximum(images @ w1 + b1, 0)
    scores = hidden @ w2 + b2
    scores -= scores.max(axis=-1, keepdims=True)
    delta = np.exp(scores)
    delta /= delta.sum(axis=-1, keepdims=True)
    delta -= np.eye(10, dtype=np.float32)[labels]
    delta /= BATCH
    back = (delta @ w2.swapaxes(-1, -2)) * (hidden > 0)
    return (
        images.swapaxes(-1, -2) @ back,
        back.sum(axis=-2, keepdims=True),
        hidden.swapaxes(-1, -2) @ delta,
        delta.sum(axis=-2, keepdims=True),
    )


def _error(weights: Sequence[Floats], parts: Sequence[tuple[Floats, Ints]]) -> Floats:
    """Share of wrong answers, shape (rates, seeds)."""
    w1, b1, w2, b2 = weights
    images = np.stack([part[0] for part in parts])
    labels = np.stack([part[1] for part in parts])
    answers = (np.maximum(images @ w1 + b1, 0) @ w2 + b2).argmax(axis=-1)
    wrong: Floats = (answers != labels).mean(axis=-1)
    return wrong


def _split(seed: int) -> Split:
    images, labels = _digits()
    rng = np.random.default_rng([seed, 0])
    order = rng.permutation(len(labels))
    train, validation, test = np.split(order, [TRAIN, TRAIN + VALIDATION])
    noisy = labels[train].copy()
    replaced = rng.random(TRAIN) < NOISE
    noisy[replaced] = rng.integers(0, 10, replaced.sum())
    return Split((images[train], noisy), (images[validation], labels[validation]), (images[test], labels[test]))


@cache
def _digits() -> tuple[Floats, Ints]:
    """Read from scikit-learn's folder: importing it takes seconds, all for one table."""
    package = find_spec("sklearn")
    if package is None or not package.submodule_search_locations:
        raise ImportError("optim/lr-schedule needs scikit-learn's digits: pip install 'outlay[tasks]'")
    table = np.loadtxt(Path(package.submodule_search_locations[0]) / "datasets/data/digits.csv.gz", delimiter=",")
    return (table[:, :-1] / 16).astype(np.float32), table[:, -1].astype(np.int64)
