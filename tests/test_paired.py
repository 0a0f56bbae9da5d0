"""Comparisons against SciPy, published worked examples, and the cases with no spread."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy import stats

from sim.statistics.multiple import holm
from sim.statistics.paired import compare_independent, compare_pairs

# Student 1908: additional hours of sleep by two drugs, ten patients
A = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
B = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]

numbers = some.floats(-1e3, 1e3).map(lambda v: round(v, 3))
pairs = some.lists(some.tuples(numbers, numbers), min_size=2, max_size=12)


# --- pairs


def test_students_sleep() -> None:
    """The paired t of this table is 4.0621, p = 0.002833, the interval 0.70 to 2.46 (R, help page of `sleep` and t.test)."""
    got = compare_pairs(A, B)
    assert got.n == 10
    assert got.difference.estimate == pytest.approx(1.58)
    assert (got.difference.low, got.difference.high) == pytest.approx((0.7001142, 2.4598858), abs=1e-6)
    assert got.p_value == pytest.approx(0.002833, abs=1e-6)
    assert got.superiority.estimate == pytest.approx(0.05)  # nine of ten sleep longer with b, one as long
    assert got.relative is not None and got.relative.estimate == pytest.approx(100 * 1.58 / 0.75)
    assert (got.relative.low, got.relative.high) == (None, None)  # 0.75 hours may well be none
    # d_z is 4.0621 / sqrt(10); Hedges's factor for 9 degrees of freedom 0.9139 (his 1 - 3/(4 m - 1) gives 0.9143)
    assert got.effect_size.estimate == pytest.approx(4.0621 / math.sqrt(10) * 0.9139, abs=1e-3)


@settings(max_examples=60)
@given(pairs)
def test_t_and_p_are_scipys(rows: list[tuple[float, float]]) -> None:
    a, b = np.array(rows).T
    got = compare_pairs(a, b, resamples=100)
    if np.ptp(b - a) <= 1e-9:
        return
    expected = stats.ttest_rel(b, a)
    assert got.p_value == pytest.approx(expected.pvalue, rel=1e-6)
    ends = expected.confidence_interval(0.95)
    assert (got.difference.low, got.difference.high) == pytest.approx((ends.low, ends.high), rel=1e-6, abs=1e-9)


@settings(max_examples=60)
@given(pairs)
def test_turned_around_everything_is_turned_around(rows: list[tuple[float, float]]) -> None:
    a, b = np.array(rows).T
    there, back = compare_pairs(a, b, resamples=100), compare_pairs(b, a, resamples=100)
    assert there.difference.estimate == pytest.approx(-(back.difference.estimate or 0.0))
    assert there.p_value == pytest.approx(back.p_value)
    assert there.superiority.estimate == pytest.approx(1 - (back.superiority.estimate or 0.0))
    if there.effect_size.low is not None:
        assert back.effect_size.high == pytest.approx(-there.effect_size.low, rel=1e-6, abs=1e-6)


def test_the_interval_and_the_p_value_say_the_same() -> None:
    rng = np.random.default_rng(5)
    for _ in range(60):
        a, b = rng.normal(size=6), rng.normal(0.8, size=6)
        for got in (compare_pairs(a, b, resamples=100), compare_independent(a, b, resamples=100)):
            assert got.p_value is not None
            assert got.difference.contains(0.0) == (got.p_value > 0.05)
        low = compare_pairs(a, b, resamples=100).effect_size
        assert low.contains(0.0) == compare_pairs(a, b, resamples=100).difference.contains(0.0)


def test_absent_values_leave_their_pair_out() -> None:
    got = compare_pairs([1.0, None, 3.0, math.nan, 5.0], [2.0, 9.0, 5.0, 1.0, None])
    assert got.n == 2 and got.difference.estimate == 1.5
    with pytest.raises(ValueError, match="found 2 and 3"):
        compare_pairs([1.0, 2.0], [1.0, 2.0, 3.0])


def test_too_few_pairs() -> None:
    none, one, two = compare_pairs([], []), compare_pairs([1.0], [2.0]), compare_pairs([1.0, 2.0], [2.0, 5.0])
    assert none.p_value is None and none.relative is None and none.difference.estimate is None
    assert one.p_value is None and one.difference[:3] == (1.0, None, None)
    assert one.relative is not None and one.relative[:3] == (100.0, None, None)
    assert two.p_value is not None and two.effect_size.estimate is None


def test_identical_runs_do_not_differ() -> None:
    got = compare_pairs(A, A)
    assert got.difference[:3] == got.bootstrap[:3] == got.effect_size[:3] == (0.0, 0.0, 0.0)
    assert got.relative is not None and got.relative[:3] == (0.0, 0.0, 0.0)
    assert (got.p_value, got.superiority.estimate) == (1.0, 0.5)


@given(some.lists(some.floats(1.001, 1000, allow_nan=False), min_size=2, max_size=9), some.sampled_from([0.1, 7.3, -0.7]))
def test_the_same_difference_every_time(values: list[float], shift: float) -> None:
    """a + shift - a is not shift in floating point; it is no spread all the same."""
    got = compare_pairs(values, [v + shift for v in values])
    assert got.p_value == 0.0
    assert (got.difference.estimate, got.difference.low, got.difference.high) == pytest.approx((shift,) * 3)
    assert got.effect_size[:3] == (None, None, None)
    assert got.superiority.estimate == (1.0 if shift < 0 else 0.0)


def test_rounding_is_no_difference() -> None:
    a = [0.1 + 0.2, 0.3, 0.7]
    b = [0.3, 0.1 + 0.2, 0.7]
    assert a != b
    got = compare_pairs(a, b)
    assert got.p_value == 1.0 and got.difference.estimate == 0.0 and got.superiority.estimate == 0.5


# --- relative differences, effect sizes, superiority


def test_fiellers_interval_holds_where_the_test_does() -> None:
    """By definition: r is in it if and only if mean(change - r base) is not significant."""
    rng = np.random.default_rng(6)
    a = rng.normal(10, 2, 7)
    b = a * 1.2 + rng.normal(0, 1, 7)
    got = compare_pairs(a, b).relative
    assert got is not None and got.low is not None and got.high is not None
    for end in (got.low, got.high):
        for percent, inside in ((end + 0.01, end == got.low), (end - 0.01, end == got.high)):
            assert (stats.ttest_1samp(b - a - percent / 100 * a, 0).pvalue > 0.05) == inside


def test_a_negative_base_keeps_the_sign_of_the_change() -> None:
    got = compare_pairs([-10.0, -10.1, -9.9], [-8.0, -8.2, -7.9]).relative
    assert got is not None and got.estimate == pytest.approx(100 * 5.9 / 30) and got.low is not None and 0 < got.low < got.estimate
    assert compare_pairs([-1.0, 1.0], [3.0, 4.0]).relative is None


def test_the_effects_interval_is_the_noncentral_ts() -> None:
    for n, seed in ((3, 7), (5, 1), (12, 2), (40, 3)):
        change = np.random.default_rng(seed).normal(0.5, 1, n)
        got = compare_pairs(np.zeros(n), change).effect_size
        factor = math.gamma((n - 1) / 2) / math.gamma((n - 2) / 2) / math.sqrt((n - 1) / 2)
        t = change.mean() / change.std(ddof=1) * math.sqrt(n)
        assert got.estimate == pytest.approx(factor * t / math.sqrt(n))
        assert got.low is not None and got.high is not None
        assert stats.nct.sf(t, n - 1, got.low * math.sqrt(n)) == pytest.approx(0.025, abs=1e-4)
        assert stats.nct.cdf(t, n - 1, got.high * math.sqrt(n)) == pytest.approx(0.025, abs=1e-4)


def test_an_enormous_effect_has_an_interval() -> None:
    got = compare_pairs([1.0, 2.0, 3.0], [1.0 + 1e6, 2.0 + 1e6, 3.001 + 1e6]).effect_size
    assert got.low is not None and got.high is not None and 1e7 < got.low < got.high < 1e11


def test_superiority_of_pairs_is_a_share() -> None:
    got = compare_pairs(A, [v - 1 for v in A[:-1]] + [A[-1] + 1]).superiority
    expected = stats.binomtest(9, 10).proportion_ci()
    assert got[:3] == pytest.approx((0.9, expected.low, expected.high))


# --- independent runs


@settings(max_examples=60)
@given(some.lists(numbers, min_size=2, max_size=9), some.lists(numbers, min_size=2, max_size=9))
def test_welch_is_scipys(a: list[float], b: list[float]) -> None:
    if len(set(a)) < 2 or len(set(b)) < 2:
        return
    got = compare_independent(a, b, resamples=100)
    expected = stats.ttest_ind(b, a, equal_var=False)
    assert got.p_value == pytest.approx(expected.pvalue, rel=1e-6)
    ends = expected.confidence_interval()
    assert (got.difference.low, got.difference.high) == pytest.approx((ends.low, ends.high), rel=1e-6, abs=1e-9)
    u = stats.mannwhitneyu(a, b).statistic
    assert got.superiority.estimate == pytest.approx(u / len(a) / len(b))
    low, estimate, high = got.superiority.low, got.superiority.estimate, got.superiority.high
    assert low is not None and estimate is not None and high is not None
    assert 0 <= low <= estimate <= high <= 1 and low < high


def test_newcombes_example() -> None:
    """Nothing overlaps: with 10 and 10 values P is 1, and the lower end solves (1 - p)^2 = z^2 p (1 - p) [...] / 100 by hand."""
    got = compare_independent(range(10, 20), range(10)).superiority
    assert got.estimate == 1.0 and got.high == 1.0 and got.low is not None
    p = got.low
    inner = 1 + 9 * ((1 - p) / (2 - p) + p / (1 + p))
    assert (1 - p) ** 2 == pytest.approx(1.959964**2 * p * (1 - p) * inner / 100, rel=1e-4)
    assert 0.7 < p < 0.9


def test_the_bootstrap_of_two_is_scipys() -> None:
    rng = np.random.default_rng(8)
    a, b = rng.exponential(size=9), rng.exponential(2.0, size=14)
    got = compare_independent(a, b).bootstrap
    expected = stats.bootstrap((b, a), lambda x, y, axis: x.mean(axis) - y.mean(axis), rng=rng).confidence_interval
    assert (got.low, got.high) == pytest.approx((expected.low, expected.high), abs=0.05 * (expected.high - expected.low))


def test_independent_runs_without_spread() -> None:
    same, other = compare_independent([1.0, 1.0], [1.0, 1.0, 1.0]), compare_independent([1.0, 1.0], [2.0, 2.0, 2.0])
    assert same.p_value == 1.0 and same.difference[:3] == same.effect_size[:3] == (0.0, 0.0, 0.0)
    assert other.p_value == 0.0 and other.difference[:3] == (1.0, 1.0, 1.0) and other.effect_size.estimate is None
    half = compare_independent([1.0, 1.0, 1.0], [2.0, 3.0, 4.0])  # one of them without: t = 2 / sqrt(1/3), 2 degrees of freedom
    assert half.p_value == pytest.approx(2 * stats.t.sf(2 * math.sqrt(3), 2))
    tiny = compare_independent([0.1 + 0.2] * 3, [0.3, 0.3])
    assert tiny.p_value == 1.0 and tiny.difference.estimate == 0.0
    squares_vanish = compare_independent([1e-200, 2e-200], [3e-200, 5e-200])
    assert squares_vanish.p_value == 0.0 and compare_pairs([1e-200, 2e-200], [3e-200, 5e-200]).p_value == 0.0
    few = compare_independent([1.0], [2.0, 3.0])
    assert few.p_value is None and few.difference[:3] == few.bootstrap[:3] == (1.5, None, None)
    nothing = compare_independent([], [1.0])
    assert nothing.difference.estimate is None and nothing.superiority.estimate is None and nothing.relative is None
    with pytest.raises(ValueError, match="at least 100 resamples"):
        compare_independent([1.0, 2.0], [1.0, 2.0], resamples=1)


# --- many


def test_holms_adjustment_by_hand() -> None:
    """Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1: 0.02, 0.03, 0.06, and 0.04 raised to 0.06."""
    assert holm([0.01, 0.04, None, 0.03, 0.005]) == pytest.approx([0.03, 0.06, None, 0.06, 0.02])
    assert holm([]) == [] and holm([None]) == [None] and holm([0.2]) == [0.2]
    with pytest.raises(ValueError, match=r"between 0 and 1; found 1\.5"):
        holm([0.2, 1.5])


@given(some.lists(some.one_of(some.none(), some.floats(0, 1)), max_size=12), some.randoms())
def test_holm_is_monotone_at_least_as_large_and_the_same_in_any_order(p_values: list[float | None], random: object) -> None:
    adjusted = holm(p_values)
    both = sorted((p, q) for p, q in zip(p_values, adjusted, strict=True) if p is not None and q is not None)
    assert [p is None for p in p_values] == [q is None for q in adjusted]
    assert all(p <= q <= 1 for p, q in both)
    assert [q for _, q in both] == sorted(q for _, q in both)
    # plain: rejected at level alpha if all smaller ones are
    for alpha in (0.01, 0.05, 0.3):
        rejected, m = 0, len(both)
        while rejected < m and both[rejected][0] * (m - rejected) <= alpha:
            rejected += 1
        assert sum(q <= alpha for _, q in both) == rejected
    order = list(range(len(p_values)))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert holm([p_values[i] for i in order]) == [adjusted[i] for i in order]
