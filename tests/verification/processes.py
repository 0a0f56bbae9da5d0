"""Processes whose means are known."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.signal import lfilter

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]

INDEPENDENT: dict[str, tuple[Draw, float]] = {
    "normal": (lambda rng, size: rng.normal(3.0, 2.0, size), 3.0),
    "exponential": (lambda rng, size: rng.exponential(1.0, size), 1.0),
    "lognormal": (lambda rng, size: rng.lognormal(0.0, 1.0, size), math.exp(0.5)),
}


def ar1(phi: float, rng: np.random.Generator, runs: int, n: int) -> np.ndarray:
    """Stationary AR(1) around 0 in rows: x[t] = phi x[t-1] + e[t]."""
    e = rng.normal(size=(runs, n))
    e[:, 0] /= math.sqrt(1 - phi * phi)
    return np.asarray(lfilter([1.0], [1.0, -phi], e, axis=1))


def ar1_size(phi: float, n: int) -> float:
    """Independent values' worth of a run of n: the autocorrelations phi^k add up."""
    return n * (1 - phi) / (1 + phi)


def mm1_waits(load: float, rng: np.random.Generator, runs: int, n: int, first: float = 0.0) -> np.ndarray:
    """Waits in M/M/1 with mean service 1, in rows: Lindley's recursion from a first wait, as a random walk above its minimum."""
    steps = rng.exponential(1.0, (runs, n - 1)) - rng.exponential(1.0 / load, (runs, n - 1))
    walk = np.concatenate([np.full((runs, 1), first), first + np.cumsum(steps, axis=1)], axis=1)
    return walk - np.minimum(np.minimum.accumulate(walk, axis=1), 0.0)


def mm1_mean(load: float) -> float:
    """Mean wait in M/M/1 with mean service 1."""
    return load / (1 - load)


def mm1_size(load: float, n: int) -> float:
    """Independent waits' worth of n in a row: Daley's asymptotic variance (Stochastic Processes 1968) over that of one wait."""
    asymptotic = load * (2 + 5 * load - 4 * load**2 + load**3) / (1 - load) ** 4
    return n * load * (2 - load) / (1 - load) ** 2 / asymptotic
