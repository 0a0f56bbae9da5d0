"""What a sweep's cases say about its keys: means by level, interactions of two keys, shares of the variance.

A *factor* is a swept key with values (levels) that come back in a pattern, a *sampled* key one with many numbers that do not.  All
figures are worked out replication by replication and then put together over the replications, since cases share their random
numbers: what is common to all cases of a replication cancels out of a difference between levels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.report.comparisons import levels_as_numbers
from sim.statistics import t_quantile

Floats = NDArray[np.float64]
Document = Mapping[str, Any]
MOST_LEVELS = 12  # a key with more numbers than that, not equally often each or once each, is sampled


class Factor(NamedTuple):
    """key, a short name of it, its levels in order, and the level of each case."""

    key: str
    name: str
    levels: list[str]
    of_case: NDArray[np.int64]


class Sampled(NamedTuple):
    """key, short name, unit, and its number in each case."""

    key: str
    name: str
    unit: str
    values: Floats


class Design(NamedTuple):
    """The keys that vary.  tied: keys left out because they change together with another one, which stands before them."""

    factors: list[Factor]
    sampled: list[Sampled]
    tied: list[tuple[str, str]]


class Level(NamedTuple):
    """Mean over the cases with a level (or two), and half of the 95 % interval of its difference from the mean of all levels."""

    mean: float
    half: float | None
    own_half: float | None  # half of the interval of the mean itself


class Share(NamedTuple):
    """Part of the variance: what it belongs to, its share in %, and what noise alone would give, None with one replication."""

    name: str
    share: float
    by_noise: float | None


def short_names(keys: Sequence[str]) -> list[str]:
    """The last parts of each key, as many as tell it from the others; `backend.kind` is `backend`."""
    paths = [tuple(key.removesuffix(".kind").split(".")) for key in keys]
    found = []
    for path in paths:
        depth = next(n for n in range(1, len(path) + 1) if n == len(path) or sum(other[-n:] == path[-n:] for other in paths) == 1)
        found.append(".".join(path[-depth:]))
    return found


def design_of(labels: Sequence[Mapping[str, Any]]) -> Design:
    """The keys that vary over the cases, in the order of the sweep."""
    keys = list(dict.fromkeys(key for one in labels for key in one))
    names = dict(zip(keys, short_names(keys), strict=True))
    factors: list[Factor] = []
    sampled: list[Sampled] = []
    tied: list[tuple[str, str]] = []
    seen: dict[tuple[int, ...], str] = {}
    for key in keys:
        texts = [str(one.get(key, "–")) for one in labels]
        different = list(dict.fromkeys(texts))
        if len(different) < 2:
            continue
        places = {text: place for place, text in enumerate(different)}
        pattern = tuple(places[text] for text in texts)
        if pattern in seen:
            tied.append((key, seen[pattern]))
            continue
        seen[pattern] = key
        numbers = levels_as_numbers(texts)
        times = {texts.count(text) for text in different} if len(different) > MOST_LEVELS else {0}
        if numbers is not None and len(different) > MOST_LEVELS and (len(times) > 1 or times == {1}):
            sampled.append(Sampled(key, names[key], numbers[1], np.array(numbers[0])))
            continue
        levels = different
        if numbers is not None:
            place = dict(zip(texts, numbers[0], strict=True))
            levels = sorted(different, key=lambda text, place=place: place[text])  # type: ignore[misc]
        factors.append(Factor(key, names[key], levels, np.array([levels.index(text) for text in texts])))
    return Design(factors, sampled, tied)


def values_of(runs: Sequence[Document], metric: str) -> Floats:
    """Values by case and replication (those that all cases have), NaN where absent; shape (cases, replications)."""
    columns = [(run["scalars"].get(metric) or {}).get("values") or [] for run in runs]
    length = min((run["replications"] for run in runs), default=0)
    found = np.full((len(runs), length), np.nan)
    for case, column in enumerate(columns):
        for k, value in enumerate(column[:length]):
            if value is not None:
                found[case, k] = value
    return found


def whole(values: Floats) -> NDArray[np.bool_]:
    """Which cases have a value in every replication."""
    return np.asarray(~np.isnan(values).any(axis=1))


def _half(samples: Floats) -> float | None:
    """Half of the 95 % interval of the mean of the samples."""
    n = len(samples)
    return None if n < 2 else float(t_quantile(n - 1) * samples.std(ddof=1) / np.sqrt(n))


def _levels(groups: Sequence[NDArray[np.bool_]], values: Floats) -> list[Level | None]:
    """For groups of cases: means with intervals; None for an empty group.  values: (cases, replications), no NaN in the groups."""
    rows = [values[group].mean(axis=0) if group.any() else None for group in groups]
    there = [row for row in rows if row is not None]
    if not there:
        return [None for _ in rows]
    middle = np.mean(there, axis=0)
    return [None if row is None else Level(float(row.mean()), _half(row - middle), _half(row)) for row in rows]


def main_effect(factor: Factor, values: Floats) -> list[Level | None]:
    """One entry a level, over the cases that have the figure."""
    use = whole(values)
    return _levels([use & (factor.of_case == level) for level in range(len(factor.levels))], values)


def cells(first: Factor, second: Factor, values: Floats) -> list[list[Level | None]]:
    """Rows by the levels of `first`, columns by those of `second`."""
    use = whole(values)
    groups = [use & (first.of_case == a) & (second.of_case == b) for a in range(len(first.levels)) for b in range(len(second.levels))]
    flat, width = _levels(groups, values), len(second.levels)
    return [flat[k * width : (k + 1) * width] for k in range(len(first.levels))]


def unbalanced(design: Design, values: Floats) -> str:
    """Why the variance cannot be shared out among the keys; "" if it can."""
    use = whole(values)
    if design.sampled:
        return f"{design.sampled[0].name} is sampled, so no two cases differ in one key alone"
    if use.sum() < 2 or not design.factors:
        return "fewer than two cases have this figure"
    codes = np.array([factor.of_case[use] for factor in design.factors])
    combos, counts = np.unique(codes, axis=1, return_counts=True)
    full = int(np.prod([len(set(row)) for row in codes]))
    if combos.shape[1] < full:
        return f"only {combos.shape[1]} of {full} combinations of the keys' values are there"
    if len(set(counts.tolist())) > 1:
        return "some combinations of the keys' values are there more often than others"
    return ""


def shares(design: Design, values: Floats) -> list[Share]:
    """Shares of the variance of a balanced design: an analysis of variance over cases, with replications as blocks."""
    use = whole(values)
    table = values[use]
    cases, replications = table.shape
    grand = table.mean()
    total = float(((table - grand) ** 2).sum())
    if total <= 0.0:
        return []
    case_means, blocks = table.mean(axis=1), table.mean(axis=0)
    between = float(replications * ((case_means - grand) ** 2).sum())
    common = float(cases * ((blocks - grand) ** 2).sum())
    freedom = (cases - 1) * (replications - 1)
    noise = max(total - between - common, 0.0)
    each = noise / freedom if freedom else None
    factors = [factor for factor in design.factors if len(set(factor.of_case[use])) > 1]
    found: list[tuple[str, float, int]] = []
    main: dict[str, tuple[float, int]] = {}
    for factor in factors:
        square, parts = _between([factor.of_case[use]], case_means, replications)
        main[factor.key] = square, parts - 1
        found.append((factor.name, square, parts - 1))
    for a, b in combinations(factors, 2):
        square, _ = _between([a.of_case[use], b.of_case[use]], case_means, replications)
        (sa, da), (sb, db) = main[a.key], main[b.key]
        found.append((f"{a.name} × {b.name}", max(square - sa - sb, 0.0), da * db))
    left = between - sum(square for _, square, _ in found)
    if len(factors) > 2:
        found.append(("three or more keys together", max(left, 0.0), max(cases - 1 - sum(f for *_, f in found), 0)))
    rows = [Share(name, 100 * square / total, None if each is None else 100 * f * each / total) for name, square, f in found]
    if replications > 1:
        rows.append(Share("replications (random numbers that all cases share)", 100 * common / total, None))
        rows.append(Share("what is left: noise", 100 * noise / total, None))
    return rows


def _between(codes: Sequence[NDArray[np.int64]], means: Floats, replications: int) -> tuple[float, int]:
    """(sum of squares between the groups that the codes make, number of groups)."""
    _, group = np.unique(np.array(codes), axis=1, return_inverse=True)
    group = group.reshape(-1)
    sizes = np.bincount(group)
    centres = np.bincount(group, weights=means) / sizes
    return float(replications * (sizes * (centres - means.mean()) ** 2).sum()), len(sizes)
