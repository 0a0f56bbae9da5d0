"""Intervals against SciPy, published worked examples and what must hold for any values."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some
from scipy import stats

from sim.statistics.intervals import bootstrap_interval, mean_interval, quantile_interval

values_of = some.lists(some.floats(-1e6, 1e6), min_size=2, max_size=30)


def test_nothing_heavy_is_imported_with_the_package() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys, sim.statistics; print('numpy' in sys.modules, 'scipy' in sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["False", "False"]


# --- the mean


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_the_mean_has_scipys_interval(confidence: float) -> None:
    x = np.random.default_rng(1).normal(5, 2, 12)
    expected = stats.ttest_1samp(x, 0).confidence_interval(confidence)
    got = mean_interval(x, confidence)
    assert (got.low, got.high) == pytest.approx((expected.low, expected.high))
    assert (got.estimate, got.n, got.method) == (pytest.approx(x.mean()), 12, "t")
    assert got.half_width == pytest.approx((expected.high - expected.low) / 2)


def test_one_value_or_none_have_no_interval() -> None:
    assert mean_interval([3.0, None, math.nan])[:3] == (3.0, None, None)
    assert mean_interval([])[:3] == (None, None, None)
    assert mean_interval([]).half_width is None and not mean_interval([1.0]).known


def test_what_an_interval_contains() -> None:
    got = mean_interval([1.0, 2.0, 3.0])
    assert got.contains(2.0) is True and got.contains(9.0) is False
    assert got._replace(high=None).contains(9.0) is None
    assert got._replace(high=None).contains(-9.0) is False


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_a_confidence_is_a_share(confidence: float) -> None:
    for interval in (mean_interval, bootstrap_interval, lambda v, confidence: quantile_interval(v, 0.5, confidence)):
        with pytest.raises(ValueError, match=r"such as 0.95"):
            interval([1.0, 2.0], confidence=confidence)


# --- the bootstrap

MICE = [94.0, 197.0, 16.0, 38.0, 99.0, 141.0, 23.0]  # the mouse data, Efron and Tibshirani 1993, table 2.1


@pytest.mark.parametrize("statistic", [np.mean, np.std, np.max])
@pytest.mark.parametrize("draw", ["normal", "exponential", "lognormal"])
@pytest.mark.parametrize("n", [5, 12, 60])
def test_bca_agrees_with_scipys(statistic: Any, draw: str, n: int) -> None:
    """Different draws of resamples: the ends agree to a few per cent of the width."""
    x = getattr(np.random.default_rng(n), draw)(size=n)
    got = bootstrap_interval(x, statistic)
    expected = stats.bootstrap((x,), statistic, rng=np.random.default_rng(2)).confidence_interval
    if math.isnan(expected.low):  # SciPy gives up where no resample lies above the estimate (the greatest value)
        assert statistic is np.max and got.high == x.max() and got.low is not None and got.low < x.max()
        return
    width = expected.high - expected.low
    assert got.low == pytest.approx(expected.low, abs=0.06 * width)
    assert got.high == pytest.approx(expected.high, abs=0.06 * width)


def test_the_bootstrap_of_a_published_sample() -> None:
    """Efron and Tibshirani, table 2.1 and 2.2: the mean of the treated mice is 86.86, its bootstrap standard error 23.23 or so."""
    got = bootstrap_interval(MICE, confidence=0.6827)
    assert got.estimate == pytest.approx(86.857, abs=1e-3)
    assert got.half_width == pytest.approx(23.36, abs=1.5)  # one standard error either way: sqrt(sum (x - mean)^2) / 7


def test_it_is_the_same_every_time_and_another_with_another_seed() -> None:
    assert bootstrap_interval(MICE, seed=3) == bootstrap_interval(MICE, seed=3)
    assert bootstrap_interval(MICE, seed=3) != bootstrap_interval(MICE, seed=4)


def test_degenerate_samples() -> None:
    assert bootstrap_interval([])[:3] == (None, None, None)
    assert bootstrap_interval([2.0])[:3] == (2.0, None, None)
    assert bootstrap_interval([0.1] * 7)[:3] == (pytest.approx(0.1), pytest.approx(0.1), pytest.approx(0.1))
    two = bootstrap_interval([1.0, 2.0])
    assert (two.low, two.high) == (1.0, 2.0)
    ties = bootstrap_interval([1.0, 1.0, 1.0, 1.0, 2.0])
    assert ties.low == 1.0 and ties.high is not None and 1.2 < ties.high <= 2.0
    with pytest.raises(ValueError, match="at least 100 resamples, found 10"):
        bootstrap_interval([1.0, 2.0], resamples=10)


@settings(max_examples=40)
@example(values=[0.0, 7.764238781463211e-162], seed=0)  # their squares vanish
@given(values_of, some.integers(0, 1000))
def test_the_bootstrap_of_a_mean_stays_within_the_values(values: list[float], seed: int) -> None:
    got = bootstrap_interval(values, resamples=200, seed=seed)
    assert got.low is not None and got.high is not None
    slack = 1e-9 * max(abs(v) for v in values)
    assert min(values) - slack <= got.low <= got.high <= max(values) + slack


@settings(max_examples=40)
@given(values_of, some.sampled_from([2.0, 0.25, -4.0]))
def test_bca_follows_the_scale(values: list[float], scale: float) -> None:
    """Powers of two, so that nothing is rounded; a negative one turns the interval around."""
    got = bootstrap_interval([scale * v for v in values], resamples=500)
    plain = bootstrap_interval(values, resamples=500)
    assert plain.low is not None and plain.high is not None
    expected = sorted((scale * plain.low, scale * plain.high))
    size = abs(scale) * max(1e-300, *(abs(v) for v in values))
    assert (got.low, got.high) == pytest.approx(expected, abs=1e-9 * size)


# --- quantiles


def test_the_median_of_ten_lies_between_the_second_and_the_ninth() -> None:
    """Textbook (Conover, Practical Nonparametric Statistics, 3.2): P(B <= 1) = 11/1024 with n = 10, p = 1/2; P(B <= 2) is above 2.5 %."""
    got = quantile_interval(range(1, 11), 0.5)
    assert got[:3] == (5.5, 2.0, 9.0)


def test_scipys_quantile_test_has_the_same_interval() -> None:
    x = np.random.default_rng(4).exponential(size=80)
    for q in (0.1, 0.5, 0.9):
        expected = stats.quantile_test(x, p=q).confidence_interval(0.95)
        got = quantile_interval(x, q)
        assert (got.low, got.high) == pytest.approx((expected.low, expected.high))


def test_too_few_values_are_told() -> None:
    """Ten values say nothing of how high the 99th percentile may be: with probability 0.904 all lie below it."""
    got = quantile_interval(range(10), 0.99)
    assert got.high is None and got.low is not None
    assert quantile_interval(range(5), 0.5)[1:3] == (None, None)  # 2/32 is more than 5 %
    assert quantile_interval(range(6), 0.5)[1:3] == (0.0, 5.0)  # 2/64 is less
    assert quantile_interval([], 0.5)[:3] == (None, None, None)
    with pytest.raises(ValueError, match="between 0 and 1, without the ends; found 1"):
        quantile_interval([1.0], 1.0)


@given(some.lists(some.floats(-1e6, 1e6), min_size=1, max_size=60), some.floats(0.01, 0.99), some.sampled_from([0.5, 0.9, 0.95]))
def test_the_ends_enclose_the_estimate_and_are_the_tightest(values: list[float], q: float, confidence: float) -> None:
    got = quantile_interval(values, q, confidence)
    x = np.sort(values)
    assert got.estimate is not None
    binomial = stats.binom(len(x), q)
    tail = (1 - confidence) / 2
    allowed = [float(x[k - 1]) for k in range(1, len(x) + 1) if binomial.cdf(k - 1) <= tail]
    assert got.low == (allowed[-1] if allowed else None)
    allowed = [float(x[k - 1]) for k in range(1, len(x) + 1) if binomial.cdf(k - 1) >= 1 - tail]
    assert got.high == (allowed[0] if allowed else None)
    assert got.low is None or got.low <= got.estimate
    assert got.high is None or got.high >= got.estimate or math.isclose(got.high, got.estimate)
