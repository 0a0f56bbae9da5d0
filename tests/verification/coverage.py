"""How often 95 % intervals hold the true value, measured; `python -m tests.verification.coverage` prints the table of docs/statistics.md.

Each row has a claim: a range for the true coverage, from theory where there is one, else what docs/statistics.md promises.
Seeds are fixed, so a row's figure is the same each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple
from zlib import crc32

import numpy as np
from scipy.special import bdtr, stdtr
from scipy.stats import ttest_rel

from sim.statistics.batches import batch_means, rate_interval
from sim.statistics.intervals import Interval, bootstrap_interval, mean_interval, quantile_interval
from sim.statistics.multiple import holm
from sim.statistics.paired import Paired, compare_independent, compare_pairs
from sim.statistics.sequential import LEAST as LEAST_REPLICATIONS
from sim.statistics.sequential import stop_at
from sim.statistics.warmup import mser
from tests.verification.processes import INDEPENDENT, ar1, mm1_mean, mm1_waits

Measured = tuple[int, int]  # covered, trials


class Row(NamedTuple):
    """One line of the table: what, on what, what the true share should be between, and how it is measured."""

    method: str
    process: str
    low: float
    high: float
    measure: Callable[[np.random.Generator], Measured]

    @property
    def name(self) -> str:
        return f"{self.method}, {self.process}"


@cache
def measured(name: str) -> Measured:
    """The row's figure; its random numbers depend on its name alone."""
    (row,) = [row for row in ROWS if row.name == name]
    return row.measure(np.random.default_rng([2011, crc32(name.encode())]))


def covered(intervals: Iterable[Interval], truth: float) -> Measured:
    """Of intervals with both ends."""
    held = [found.contains(truth) is True for found in intervals]
    return sum(held), len(held)


# --- replications


def of_mean(process: str, n: int, trials: int, interval: Callable[..., Interval]) -> Callable[[np.random.Generator], Measured]:
    draw, truth = INDEPENDENT[process]
    return lambda rng: covered((interval(values) for values in draw(rng, (trials, n))), truth)


def bootstrap(values: np.ndarray) -> Interval:
    return bootstrap_interval(values, resamples=1999, seed=len(values))


def percentile_theory(n: int) -> float:
    """The bootstrap's spread is normal with the standard deviation over n instead of n - 1: what that covers of normal values."""
    return 1 - 2 * float(stdtr(n - 1, -1.959964 * ((n - 1) / n) ** 0.5))


def quantile_theory(n: int, q: float) -> float:
    """Exact coverage, from the ranks that the interval of 1 ... n has."""
    found = quantile_interval(range(1, n + 1), q)
    assert found.low is not None and found.high is not None
    return float(bdtr(found.high - 1, n, q) - bdtr(found.low - 1, n, q))


def of_quantile(n: int, q: float) -> Row:
    def measure(rng: np.random.Generator) -> Measured:
        return covered((quantile_interval(values, q) for values in rng.exponential(1.0, (2000, n))), -float(np.log(1 - q)))

    theory = quantile_theory(n, q)
    return Row("order statistics", f"{q:g} quantile of exponential, n = {n}", theory, theory, measure)


def adaptive(draw: Callable[..., np.ndarray], target: float, least: int = LEAST_REPLICATIONS) -> Callable[[np.random.Generator], Measured]:
    """Around a mean of 1, to a relative half-width."""

    def measure(rng: np.random.Generator) -> Measured:
        intervals = []
        for values in draw(rng, (1500, 100)):
            stop = stop_at(values, target, least=least)
            intervals.append(mean_interval(values[:stop]))
        return covered(intervals, 1.0)

    return measure


# --- comparisons

SPREAD, SHIFT = 0.4, 0.5


@cache
def pairs_compared() -> list[Paired]:
    """Eight pairs with much in common, of which b is 5 % above a."""
    rng = np.random.default_rng([2011, 1])
    common = rng.normal(0, 2, (1000, 8))
    a = 10 + common + rng.normal(0, SPREAD / 2**0.5, common.shape)
    b = 10 + SHIFT + common + rng.normal(0, SPREAD / 2**0.5, common.shape)
    return [compare_pairs(x, y, resamples=199) for x, y in zip(a, b, strict=True)]


@cache
def independents_compared() -> list[Paired]:
    """Six values with a standard deviation of 1 against twelve with 3, 5 % above."""
    rng = np.random.default_rng([2011, 2])
    a, b = rng.normal(10, 1, (1000, 6)), rng.normal(10 + SHIFT, 3, (1000, 12))
    return [compare_independent(x, y, resamples=199) for x, y in zip(a, b, strict=True)]


def of_comparison(compared: Callable[[], list[Paired]], part: str, truth: float) -> Callable[[np.random.Generator], Measured]:
    return lambda _: covered((getattr(found, part) for found in compared()), truth)


def normal_below(z: float) -> float:
    return float(stdtr(1e9, z))


def family(real: int) -> Callable[[np.random.Generator], Measured]:
    """Ten cases against one base, `real` of them much higher: families without a false discovery."""

    def measure(rng: np.random.Generator) -> Measured:
        base = rng.normal(size=(4000, 1, 6))
        others = rng.normal(size=(4000, 10, 6))
        others[:, :real] += 8.0
        p = ttest_rel(others, base, axis=2).pvalue
        return sum(min(q or 0.0 for q in holm(row)[real:]) > 0.05 for row in p.tolist()), len(p)

    return measure


# --- one long run


def of_run(
    values: Callable[[np.random.Generator, int], np.ndarray], truth: float, trials: int
) -> Callable[[np.random.Generator], Measured]:
    def measure(rng: np.random.Generator) -> Measured:
        rows = (row for _ in range(0, trials, 100) for row in values(rng, 100))
        return covered((batch_means(row).interval for row in rows), truth)

    return measure


def of_ar1(phi: float, n: int, low: float) -> Row:
    return Row("batch means", f"AR(1) {phi:g}, n = {n}", low, 0.975, of_run(lambda rng, runs: ar1(phi, rng, runs, n), 0.0, 1500))


def of_mm1(load: float, n: int, low: float) -> Row:
    """Of waits in a queue that has run long before."""

    def waits(rng: np.random.Generator, runs: int) -> np.ndarray:
        return mm1_waits(load, rng, runs, n + 2000)[:, 2000:]

    return Row("batch means", f"M/M/1 waits at load {load:g}, n = {n}", low, 0.975, of_run(waits, mm1_mean(load), 600))


def of_rate(draw: Callable[[np.random.Generator, int], np.ndarray], process: str, low: float) -> Row:
    """A counter sampled 600 times, every 0.1 s, that rises by 100 a second."""

    def measure(rng: np.random.Generator) -> Measured:
        times = np.arange(601) * 0.1
        counters = (np.concatenate([[0.0], np.cumsum(steps)]) for steps in draw(rng, 1500))
        return covered((rate_interval(times, counter) for counter in counters), 100.0)

    return Row("rate", process, low, 0.975, measure)


def biased(rng: np.random.Generator, runs: int) -> np.ndarray:
    """AR(1) that starts ten standard deviations of its noise too high, which wear off over 40 observations."""
    return ar1(0.5, rng, runs, 1000) + 10 * np.exp(-np.arange(1000) / 40)


def emptying(rng: np.random.Generator, runs: int) -> np.ndarray:
    """M/M/1 at load 0.5 that starts with a wait of 50 instead of 1."""
    return mm1_waits(0.5, rng, runs, 4000, first=50.0)


def after_warm_up(values: Callable[[np.random.Generator, int], np.ndarray], truth: float) -> Callable[[np.random.Generator], Measured]:
    def measure(rng: np.random.Generator) -> Measured:
        return covered((batch_means(row[mser(row).cut :]).interval for row in values(rng, 1000)), truth)

    return measure


def ten_per_cent(rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    return rng.normal(1.0, 0.1, size)


def lognormal_around_one(rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    sigma2 = np.log(1 + 0.2**2)
    return rng.lognormal(-sigma2 / 2, sigma2**0.5, size)


LEAST = {  # what docs/statistics.md promises of skewed values
    ("t", "exponential"): {5: 0.86, 10: 0.88, 30: 0.91},
    ("t", "lognormal"): {5: 0.80, 10: 0.82, 30: 0.86},
    ("BCa", "exponential"): {5: 0.76, 10: 0.84, 30: 0.90},
    ("BCa", "lognormal"): {5: 0.70, 10: 0.79, 30: 0.86},
}


def of_skewed(method: str, process: str, interval: Callable[..., Interval], trials: int) -> list[Row]:
    least = LEAST[method, process]
    return [Row(method, f"{process}, n = {n}", low, 0.95, of_mean(process, n, trials, interval)) for n, low in least.items()]


def of_normal_bootstrap(n: int) -> Row:
    theory = percentile_theory(n)
    return Row("BCa", f"normal, n = {n}", theory - 0.03, theory + 0.01, of_mean("normal", n, 1500, bootstrap))


WELCH = "normal, 6 and 12, deviations 1 and 3"
ROWS: list[Row] = [
    *[Row("t", f"normal, n = {n}", 0.95, 0.95, of_mean("normal", n, 4000, mean_interval)) for n in (5, 10, 30)],
    *of_skewed("t", "exponential", mean_interval, 4000),
    *of_skewed("t", "lognormal", mean_interval, 4000),
    *[of_normal_bootstrap(n) for n in (5, 10, 30)],
    *of_skewed("BCa", "exponential", bootstrap, 1500),
    *of_skewed("BCa", "lognormal", bootstrap, 1500),
    of_quantile(20, 0.5),
    of_quantile(100, 0.5),
    of_quantile(200, 0.95),
    Row("until ± 5 %, from 2", "normal, deviation 10 %", 0.86, 0.92, adaptive(ten_per_cent, 0.05, 2)),
    Row("until ± 5 %, from 3", "normal, deviation 10 %", 0.88, 0.94, adaptive(ten_per_cent, 0.05, 3)),
    Row("until ± 5 %", "normal, deviation 10 %", 0.90, 0.95, adaptive(ten_per_cent, 0.05)),
    Row("until ± 5 %, from 10", "normal, deviation 10 %", 0.92, 0.95, adaptive(ten_per_cent, 0.05, 10)),
    Row("until ± 10 %", "normal, deviation 10 %", 0.90, 0.95, adaptive(ten_per_cent, 0.10)),
    Row("until ± 10 %", "lognormal, deviation 20 %", 0.90, 0.95, adaptive(lognormal_around_one, 0.10)),
    Row("paired difference", "normal, 8 pairs", 0.95, 0.95, of_comparison(pairs_compared, "difference", SHIFT)),
    Row("paired, relative", "normal, 8 pairs", 0.94, 0.96, of_comparison(pairs_compared, "relative", 100 * SHIFT / 10)),
    Row("paired, effect size", "normal, 8 pairs", 0.95, 0.95, of_comparison(pairs_compared, "effect_size", SHIFT / SPREAD)),
    Row("paired, superiority", "normal, 8 pairs", 0.95, 1.0, of_comparison(pairs_compared, "superiority", normal_below(-SHIFT / SPREAD))),
    Row("independent difference", WELCH, 0.94, 0.96, of_comparison(independents_compared, "difference", SHIFT)),
    Row(
        "independent, superiority", WELCH, 0.93, 0.99,
        of_comparison(independents_compared, "superiority", normal_below(-SHIFT / 10**0.5)),
    ),
    Row("Holm, no false discovery", "ten cases, none differs", 0.95, 0.99, family(0)),
    Row("Holm, no false discovery", "ten cases, five differ", 0.95, 0.99, family(5)),
    of_ar1(0.0, 600, 0.94),
    of_ar1(0.5, 600, 0.93),
    of_ar1(0.9, 600, 0.90),
    of_ar1(0.9, 3000, 0.93),
    of_ar1(0.98, 600, 0.80),
    of_mm1(0.5, 600, 0.84),
    of_mm1(0.5, 3000, 0.90),
    of_mm1(0.8, 3000, 0.80),
    of_mm1(0.8, 20000, 0.90),
    of_rate(lambda rng, runs: rng.poisson(10.0, (runs, 600)).astype(float), "Poisson", 0.94),
    of_rate(lambda rng, runs: 10 + ar1(0.9, rng, runs, 600), "AR(1) 0.9", 0.90),
    Row("MSER-5 and batch means", "AR(1) 0.5 from far off, n = 1000", 0.90, 0.97, after_warm_up(biased, 0.0)),
    Row("MSER-5 and batch means", "M/M/1 at load 0.5 from far off, n = 4000", 0.82, 0.97, after_warm_up(emptying, 1.0)),
]  # fmt: skip


def table() -> str:
    """The rows in Markdown."""
    lines = ["| interval | of | covered | trials |", "| --- | --- | --- | --- |"]
    for row in ROWS:
        held, trials = measured(row.name)
        lines.append(f"| {row.method} | {row.process} | {100 * held / trials:.1f} % | {trials:,} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
