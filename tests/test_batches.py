"""One long run: autocorrelation, batch means, rates and warm-up by hand and by what must hold; coverage is in tests/verification."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy.signal import lfilter

from sim.statistics.batches import (
    autocorrelation,
    autocorrelation_time,
    batch_means,
    effective_size,
    rate_batches,
    rate_interval,
)
from sim.statistics.summary import t_quantile
from sim.statistics.warmup import mser

series = some.lists(some.floats(-1e3, 1e3).map(lambda v: round(v, 2)), min_size=1, max_size=80)


def ar1(phi: float, n: int, seed: int) -> np.ndarray:
    """A stationary autoregressive process of variance 1 / (1 - phi^2)."""
    e = np.random.default_rng(seed).normal(size=n)
    e[0] /= math.sqrt(1 - phi * phi)
    return np.asarray(lfilter([1], [1, -phi], e))


# --- autocorrelation


@given(series)
def test_autocorrelation_is_its_definition(values: list[float]) -> None:
    x = np.array(values)
    c = x - x.mean()
    got = autocorrelation(values)
    if np.ptp(x) == 0:
        assert got.tolist() == [1.0] + [0.0] * (len(x) - 1)
        return
    plain = [float(np.sum(c[: len(c) - k] * c[k:]) / np.sum(c * c)) for k in range(len(c))]
    assert got == pytest.approx(plain, abs=1e-6)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_the_autocorrelation_time_of_ar1(phi: float) -> None:
    """rho_k = phi^k, so the sum is (1 + phi) / (1 - phi)."""
    x = ar1(phi, 200_000, 1)
    assert autocorrelation(x)[:4] == pytest.approx(phi ** np.arange(4), abs=0.01)
    assert autocorrelation_time(x) == pytest.approx((1 + phi) / (1 - phi), rel=0.1)
    assert effective_size(x) == pytest.approx(200_000 * (1 - phi) / (1 + phi), rel=0.1)


def test_series_without_correlation_to_speak_of() -> None:
    assert autocorrelation_time([3.0] * 50) == 1.0 and autocorrelation_time([]) == 1.0
    assert autocorrelation_time([1.0, -1.0] * 50) == 1.0  # below 1 would promise more than there is
    assert autocorrelation([]).tolist() == []


def test_a_series_has_no_gaps() -> None:
    for function in (autocorrelation, batch_means, mser):
        with pytest.raises(ValueError, match="value 2 is nan"):
            function([1.0, 2.0, math.nan, 4.0])
        with pytest.raises(ValueError, match="one dimension, found 2"):
            function(np.zeros((2, 3)))


# --- batch means


def test_batch_means_by_hand() -> None:
    """64 values in 32 pairs: the pairs' means alternate between 1 and 3, none is like its neighbour; t has 31 degrees of freedom."""
    got = batch_means([0.0, 2.0, 2.0, 4.0] * 16)
    assert (got.batches, got.size, got.correlation) == (32, 2, 0.0)
    assert got.interval.estimate == 2.0 and got.interval.n == 64
    assert got.interval.half_width == pytest.approx(t_quantile(31) * math.sqrt(32 / 31 / 32))


def test_batches_that_depend_on_each_other_become_fewer() -> None:
    """A slow wave: pairs are nearly the same, and so are their neighbours."""
    slow = np.sin(np.arange(64) / 64 * 2 * np.pi)
    got = batch_means(slow)
    assert got.batches == 8 and got.correlation > 0.3 and not got.reliable
    naive = t_quantile(63) * slow.std(ddof=1) / 8
    assert got.interval.half_width is not None and got.interval.half_width > 2 * naive


def test_long_and_short_runs() -> None:
    assert batch_means(ar1(0.5, 3000, 2)).reliable
    assert not batch_means(ar1(0.98, 300, 3)).reliable
    for n in (0, 1, 15):
        short = batch_means(ar1(0.0, n, 4)[:n] if n else [])
        assert not short.interval.known and not short.reliable and short.batches == 0
    assert batch_means(ar1(0.0, 16, 4)).interval.known
    still = batch_means([0.1] * 640)
    assert still.interval[:3] == pytest.approx((0.1, 0.1, 0.1)) and still.reliable


@settings(max_examples=50)
@given(some.lists(some.integers(-100, 100), min_size=16, max_size=200), some.integers(-50, 50), some.sampled_from([2.0, -0.5]))
def test_batch_means_follow_shift_and_scale(values: list[int], shift: int, scale: float) -> None:
    plain, moved = batch_means(values), batch_means([scale * (v + shift) for v in values])
    assert moved.interval.estimate == pytest.approx(scale * ((plain.interval.estimate or 0.0) + shift), abs=1e-9)
    assert moved.interval.half_width == pytest.approx(abs(scale) * (plain.interval.half_width or 0.0), rel=1e-6, abs=1e-9)


# --- rates


def test_a_rate_is_the_whole_increase_over_the_whole_time() -> None:
    """Steps of 4 and 8 a half second, 40 times each, and a last step of 0.1 s with 1: 481 in 40.1 s."""
    times = [i * 0.5 for i in range(81)] + [40.1]
    counter = np.cumsum([0.0] + [4.0, 8.0] * 40 + [1.0])
    got = rate_batches(times, counter)
    assert got.interval.estimate == pytest.approx(481 / 40.1)
    assert got.interval.n == 80  # the short step has no part in the spread
    even = batch_means([8.0, 16.0] * 40)
    assert got.interval.half_width == pytest.approx(even.interval.half_width)
    assert rate_interval(times, counter) == got.interval


def test_what_is_no_counter_of_samples() -> None:
    with pytest.raises(ValueError, match="found 3 and 2"):
        rate_interval([0, 1, 2], [0, 1])
    with pytest.raises(ValueError, match="must rise"):
        rate_interval([0, 1, 1], [0, 1, 2])
    with pytest.raises(ValueError, match="fixed interval: 1 s, then 2 s"):
        rate_interval([0, 1, 3, 4], [0, 1, 2, 3])
    assert rate_interval([0.0], [5.0])[:3] == (None, None, None)
    assert rate_interval([0.0, 0.5], [5.0, 6.0])[:3] == (2.0, None, None)


# --- warm-up


def plain_mser(values: list[float], batch: int) -> list[float]:
    means = [math.fsum(values[i : i + batch]) / batch for i in range(0, len(values) - batch + 1, batch)]
    found = []
    for d in range(len(means) - 4):
        rest = means[d:]
        mean = math.fsum(rest) / len(rest)
        found.append(math.fsum((v - mean) ** 2 for v in rest) / len(rest) ** 2)
    return found


@given(series, some.integers(1, 6))
def test_mser_is_its_definition(values: list[float], batch: int) -> None:
    got = mser(values, batch)
    expected = plain_mser(values, batch) if len(values) >= 5 * batch else []
    assert got.statistic.tolist() == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert got.batches == len(values) // batch
    assert got.cut % batch == 0 and got.cut <= max(0, got.batches - 5) * batch


def test_a_step_is_cut_off_where_it_is() -> None:
    got = mser([10.0] * 35 + [1.0, 2.0, 1.0, 2.0, 1.0] * 40)
    assert (got.cut, got.reliable) == (35, True)
    assert mser([10.0] * 33 + [1.0] * 200).cut == 35  # a batch that is half of it goes too


def test_a_series_that_does_not_change_has_no_warm_up() -> None:
    assert mser([0.1] * 100)[:2] == (0, 20) and mser([0.1] * 100).reliable


def test_a_run_that_is_too_short_is_told() -> None:
    assert not mser([10.0] * 70 + [1.0, 2.0, 1.0, 2.0, 1.0] * 6).reliable  # the step lies in the last half
    assert not mser(np.arange(200.0)).reliable  # still rising
    assert mser([1.0] * 24)[:2] == (0, 4) and not mser([1.0] * 24).reliable
    assert not mser([1.0] * 49).reliable and mser([1.0] * 50).reliable
    with pytest.raises(ValueError, match="at least one observation, found 0"):
        mser([1.0], 0)
