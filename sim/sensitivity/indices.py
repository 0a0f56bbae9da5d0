"""Indices of a finished study, their intervals, and what noise alone would give.

Morris: mu* is the mean size of an elementary effect (the change of the figure as one key crosses its range, other keys where they happen
to be), sigma how much that depends on the others (Morris, Technometrics 33, 1991; Campolongo, Cariboni and Saltelli, Environ. Model.
Softw. 22, 2007).  Sobol: S1 is the share of the variance that a key explains alone, ST with all it does together with others (Saltelli
et al., Comput. Phys. Commun. 181, 2010).  Both by SALib, on means over the replications.

Noise: an effect on the mean of R replications has a standard error s, which the replications show, replication by replication, since
all runs share random numbers: what moves them all alike cancels.  Morris: the same design with nothing but noise, drawn again and again,
says which multiples of s the largest mu* and sigma of all keys stay below 19 times in 20.  Sobol: of ST, noise is the share s^2/2 of the
variance.  One replication shows no noise, so nothing is then said of what matters.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sim.sensitivity.plan import LEVELS, Study, problem_of, unshared

Array = np.ndarray[Any, Any]
CONFIDENCE = 0.95
RESAMPLES = 1000
DRAWS = 2000  # of a design with nothing but noise
AT_ONCE = 2_000_000  # numbers drawn at a time


class Index(NamedTuple):
    """One key and one figure.

    first, half_first  mu*, or S1, with the half width of its bootstrap interval
    other, half_other  sigma (no interval), or ST
    floor              what noise alone would give for `first` (Morris) or `other` (Sobol); None with one replication
    floor_other        what noise alone would give for sigma (Morris)
    """

    key: str
    first: float
    half_first: float
    other: float
    half_other: float | None
    floor: float | None
    floor_other: float | None = None

    def matters(self, method: str) -> bool:
        """Whether its effects are more than noise; a Sobol index must also be known well enough.  Never with one replication.

        The interval of mu* says how well the mean over the ranges is known, not whether there are effects: these are seen.
        """
        if self.floor is None:
            return False
        if method == "morris":
            return self.first > self.floor
        return self.other - (self.half_other or 0.0) > self.floor

    def interacts(self, method: str) -> bool:
        """Whether what it does depends on other keys (or is not a straight line, for Morris) by more than noise."""
        if not self.matters(method):
            return False
        if method == "morris":
            return self.other > max(0.5 * self.first, self.floor_other or 0.0)
        return self.other - (self.half_other or 0.0) - (self.floor or 0.0) > self.first + self.half_first


def indices(study: Study, values: Array, seed: int) -> list[Index]:
    """Of one figure, values of shape (runs, replications), all there."""
    means = values.mean(axis=1)
    if np.all(means == means[0]):
        return [Index(key, 0.0, 0.0, 0.0, 0.0, 0.0 if values.shape[1] > 1 else None) for key in study.keys]
    analyse = _morris if study.section.method == "morris" else _sobol
    return analyse(study, values, means, seed)


def _morris(study: Study, values: Array, means: Array, seed: int) -> list[Index]:
    from SALib.analyze import morris

    found = morris.analyze(
        problem_of(study.keys), study.points, means, num_resamples=RESAMPLES, conf_level=CONFIDENCE, num_levels=LEVELS, seed=seed
    )
    floors = _morris_floors(study, values, seed)
    return [
        Index(key, float(found["mu_star"][k]), float(found["mu_star_conf"][k]), float(found["sigma"][k]), None, *floors[k])
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


def _morris_floors(study: Study, values: Array, seed: int) -> list[tuple[float, float] | tuple[None, None]]:
    """Of each key, what mu* and sigma stay below 19 times in 20, all keys together, where there is nothing but noise."""
    if values.shape[1] < 2:
        return [(None, None)] * len(study.keys)
    times = noise_multiples(study, values.shape[1], seed)
    return [(float(times[0] * error), float(times[1] * error)) for error in _errors(effects(study.points, values))]


def _errors(found: Array) -> Array:
    """Standard errors of the mean effects of each key, from effects of shape (keys, trajectories, ..., replications)."""
    return np.asarray(np.sqrt(found.var(axis=-1, ddof=1).mean(axis=1) / found.shape[-1]))


def noise_multiples(study: Study, replications: int, seed: int) -> tuple[float, float]:
    """The largest mu* and sigma of all keys, in standard errors, that normal noise stays below 19 times in 20.

    Drawn on the design itself, as runs that are the same share their noise, and with the error estimated anew each time.
    """
    shared = unshared(study)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(len(shared),)))
    largest: list[Array] = []
    left = DRAWS
    while left:
        draws = min(left, max(1, AT_ONCE // (len(shared) * replications)))
        noise = rng.standard_normal((int(shared.max()) + 1, draws * replications))[shared]
        found = effects(study.points, noise)
        found = found.reshape(*found.shape[:2], draws, replications)
        means, errors = found.mean(axis=-1), _errors(found)
        errors[errors == 0.0] = np.inf  # a key that never changes anything, not even the run
        largest.append(np.stack([(one / errors).max(axis=0) for one in (np.abs(means).mean(axis=1), means.std(axis=1, ddof=1))]))
        left -= draws
    mu_star, sigma = np.quantile(np.concatenate(largest, axis=1), CONFIDENCE, axis=1)
    return float(mu_star), float(sigma)


def _sobol(study: Study, values: Array, means: Array, seed: int) -> list[Index]:
    from SALib.analyze import sobol

    found = sobol.analyze(problem_of(study.keys), means, calc_second_order=False, num_resamples=RESAMPLES, conf_level=CONFIDENCE, seed=seed)
    floors = _sobol_floors(len(study.keys), values, means)
    return [
        Index(key, float(found["S1"][k]), float(found["S1_conf"][k]), float(found["ST"][k]), float(found["ST_conf"][k]), floors[k])
        for k, key in enumerate(study.keys)
    ]


def _sobol_floors(keys: int, values: Array, means: Array) -> list[float | None]:
    """The part of each ST that noise makes: ST is half the mean square of the change from A to A with column k of B (Jansen)."""
    count = values.shape[1]
    if count < 2:
        return [None] * keys
    blocks = values.reshape(-1, keys + 2, count)  # of each sample: A, A with a column of B for each key, B
    changes = blocks[:, 1:-1] - blocks[:, :1]
    whole = means.reshape(-1, keys + 2)[:, [0, -1]].var()
    return [float(one) for one in changes.var(axis=2, ddof=1).mean(axis=0) / count / 2 / whole]


def words(method: str, metric: str, found: list[Index]) -> list[str]:
    """What the indices say, a sentence each."""
    if all(one.first == one.other == 0.0 for one in found):
        return [f"{metric}: the same in all runs"]
    if any(one.floor is None for one in found):
        order = ", ".join(one.key for one in sorted(found, key=lambda one: -_size(method, one)))
        return [f"{metric}: the largest first: {order}; one replication shows no noise, so any of it may be chance: take 2 or more"]
    matters = sorted((one for one in found if one.matters(method)), key=lambda one: -_size(method, one))
    silent = [one.key for one in found if not one.matters(method)]
    lines = []
    if matters:
        lines.append(f"{metric}: {', '.join(one.key for one in matters)} matter{'s' * (len(matters) == 1)}, in this order")
        together = [one.key for one in matters if one.interacts(method)]
        if together:
            reason = "depends on the others, or is no straight line" if method == "morris" else "is in part done together with others"
            lines.append(f"{metric}: what {', '.join(together)} do{'es' * (len(together) == 1)} {reason}")
    if silent:
        lines.append(f"{metric}: {', '.join(silent)} cannot be told from noise in this many runs")
    return lines


def _size(method: str, one: Index) -> float:
    return one.first if method == "morris" else one.other
