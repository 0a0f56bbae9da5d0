"""Indices of a finished study, their intervals, and what noise alone would give.

Morris: mu* is the mean size of an elementary effect (the change of the figure as one key crosses its range, other keys where they happen
to be), sigma how much that depends on the others (Morris, Technometrics 33, 1991; Campolongo, Cariboni and Saltelli, Environ. Model.
Softw. 22, 2007).  Sobol: S1 is the share of the variance that a key explains alone, ST with all it does together with others (Saltelli
et al., Comput. Phys. Commun. 181, 2010).  Both by SALib, on means over the replications.

Noise: an effect on the mean of R replications has a standard error s, which the replications show; effects that are nothing but noise
have a mu* of about s sqrt(2/pi).  Of Sobol's variance, noise is the share (variance between replications)/R of the whole,
where what all runs share in a replication does not count.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from sim.sensitivity.plan import LEVELS, Study, problem_of

Array = np.ndarray[Any, Any]
CONFIDENCE = 0.95
RESAMPLES = 1000
Z95 = 1.6449  # one-sided


class Index(NamedTuple):
    """One key and one figure.

    first, half_first  mu*, or S1, with the half width of its bootstrap interval
    other, half_other  sigma (no interval), or ST
    floor              what noise alone would give for `first` (Morris) or `other` (Sobol); None without replications
    """

    key: str
    first: float
    half_first: float
    other: float
    half_other: float | None
    floor: float | None

    def matters(self, method: str) -> bool:
        """Whether its effects are more than noise; a Sobol index must also be known well enough.

        The interval of mu* says how well the mean over the ranges is known, not whether there are effects: these are seen.
        """
        if method == "morris":
            return self.first > self.floor if self.floor is not None else self.first - self.half_first > 0.0
        return self.other - (self.half_other or 0.0) > (self.floor or 0.0)

    def interacts(self, method: str) -> bool:
        """Whether what it does depends on other keys (or is not a straight line, for Morris)."""
        if not self.matters(method):
            return False
        if method == "morris":
            return self.other > 0.5 * self.first
        return self.other - (self.half_other or 0.0) > self.first + self.half_first


def indices(study: Study, values: Array, seed: int) -> list[Index]:
    """Of one figure, values of shape (runs, replications), all there."""
    means = values.mean(axis=1)
    if np.all(means == means[0]):
        return [Index(key, 0.0, 0.0, 0.0, 0.0, None) for key in study.keys]
    analyse = _morris if study.section.method == "morris" else _sobol
    return analyse(study, values, means, seed)


def _morris(study: Study, values: Array, means: Array, seed: int) -> list[Index]:
    from SALib.analyze import morris

    found = morris.analyze(
        problem_of(study.keys), study.points, means, num_resamples=RESAMPLES, conf_level=CONFIDENCE, num_levels=LEVELS, seed=seed
    )
    floors = _morris_floor(study, values)
    return [
        Index(key, float(found["mu_star"][k]), float(found["mu_star_conf"][k]), float(found["sigma"][k]), None, floors[k])
        for k, key in enumerate(study.keys)
    ]


def effects(points: Array, values: Array) -> Array:
    """Elementary effects, shape (keys, trajectories, replications): a trajectory changes one key at each of its steps."""
    keys = points.shape[1]
    trajectories = len(points) // (keys + 1)
    found = np.zeros((keys, trajectories, values.shape[1]))
    for t in range(trajectories):
        rows = slice(t * (keys + 1), (t + 1) * (keys + 1))
        steps, changes = np.diff(points[rows], axis=0), np.diff(values[rows], axis=0)
        for step, change in zip(steps, changes, strict=True):
            key = int(np.argmax(np.abs(step)))
            found[key, t] = change / step[key]
    return found


def _morris_floor(study: Study, values: Array) -> list[float | None]:
    """The mu* that noise alone stays below 19 times in 20."""
    count = values.shape[1]
    if count < 2:
        return [None] * len(study.keys)
    found = effects(study.points, values)
    error = np.sqrt(found.var(axis=2, ddof=1).mean(axis=1) / count)
    spread = math.sqrt(2 / math.pi) + Z95 * math.sqrt((1 - 2 / math.pi) / found.shape[1])
    return [float(one) * spread for one in error]


def _sobol(study: Study, values: Array, means: Array, seed: int) -> list[Index]:
    from SALib.analyze import sobol

    found = sobol.analyze(problem_of(study.keys), means, calc_second_order=False, num_resamples=RESAMPLES, conf_level=CONFIDENCE, seed=seed)
    floor = None
    if values.shape[1] > 1:
        floor = noise(values) / values.shape[1] / float(means.var(ddof=1))
    return [
        Index(key, float(found["S1"][k]), float(found["S1_conf"][k]), float(found["ST"][k]), float(found["ST_conf"][k]), floor)
        for k, key in enumerate(study.keys)
    ]


def noise(values: Array) -> float:
    """Variance of a value that is not of its run nor of its replication, of values of shape (runs, replications).

    What a replication does to all runs alike (they share random numbers) moves no difference between them.  It is the residual mean
    square of a two-way table without interaction (Scheffe 1959, The Analysis of Variance, 4.2).
    """
    residual = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
    runs, replications = values.shape
    return float((residual**2).sum() / ((runs - 1) * (replications - 1)))


def words(method: str, metric: str, found: list[Index]) -> list[str]:
    """What the indices say, a sentence each."""
    matters = sorted((one for one in found if one.matters(method)), key=lambda one: -(one.first if method == "morris" else one.other))
    silent = [one.key for one in found if not one.matters(method)]
    lines = []
    if matters:
        lines.append(f"{metric}: {', '.join(one.key for one in matters)} matter{'s' * (len(matters) == 1)}, in this order")
        together = [one.key for one in matters if one.interacts(method)]
        if together:
            reason = "depends on the others, or is no straight line" if method == "morris" else "is in part done together with others"
            lines.append(f"{metric}: what {', '.join(together)} do{'es' * (len(together) == 1)} {reason}")
    if silent:
        noise = "told from noise" if any(one.floor is not None for one in found) else "told from nothing"
        lines.append(f"{metric}: {', '.join(silent)} cannot be {noise} in this many runs")
    return lines
