"""Intervals against SciPy and textbook values; histogram quantiles against the values they were made from."""

from __future__ import annotations

import bisect
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.statistics import quantile_of_histogram, summarise, survival, t_quantile


@pytest.mark.parametrize(("freedom", "expected"), [(1, 12.706), (2, 4.303), (4, 2.776), (9, 2.262), (30, 2.042), (1000, 1.962)])
def test_t_quantile_of_the_textbook(freedom: int, expected: float) -> None:
    assert t_quantile(freedom) == pytest.approx(expected, abs=5e-4)


def test_t_quantile_agrees_with_scipy() -> None:
    special = pytest.importorskip("scipy.special")
    for freedom in (*range(1, 40), 99, 100, 499, 500):
        for confidence in (0.5, 0.9, 0.95, 0.99):
            assert t_quantile(freedom, confidence) == pytest.approx(float(special.stdtrit(freedom, 0.5 + confidence / 2)), rel=1e-8)


def test_t_quantile_refuses_nonsense() -> None:
    with pytest.raises(ValueError, match="freedom"):
        t_quantile(0)


def test_summary_of_five_values() -> None:
    got = summarise([10.0, 12.0, 11.0, 13.0, 9.0])
    assert (got.n, got.mean) == (5, 11.0)
    assert got.sd == pytest.approx(math.sqrt(2.5))
    assert got.half_width == pytest.approx(2.7764451 * math.sqrt(2.5) / math.sqrt(5))
    assert got.low == pytest.approx(11.0 - got.half_width)
    assert got.high == pytest.approx(11.0 + got.half_width)


def test_one_value_has_no_interval() -> None:
    got = summarise([3.0])
    assert got == (1, 3.0, None, None, (3.0,))
    assert got.low is None and got.high is None


def test_absent_values_are_not_counted_but_kept_in_place() -> None:
    got = summarise([1.0, math.nan, None, 3.0, math.inf])
    assert (got.n, got.mean) == (2, 2.0)
    assert got.values == (1.0, None, None, 3.0, None)
    assert summarise([math.nan, None]) == (0, None, None, None, (None, None))


@given(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=20), st.floats(-1e6, 1e6))
def test_interval_moves_with_the_values(values: list[float], shift: float) -> None:
    base, moved = summarise(values), summarise([v + shift for v in values])
    assert base.half_width is not None and moved.half_width is not None
    assert moved.mean == pytest.approx(base.mean + shift, abs=1e-3)
    assert moved.half_width == pytest.approx(base.half_width, rel=1e-5, abs=1e-3)


EDGES = [0.0, 1.0, 2.0, 4.0, 8.0, 16.0]


def counts_of(values: list[float]) -> list[int]:
    counts = [0] * (len(EDGES) - 1)
    for value in values:
        counts[bisect.bisect_right(EDGES, value) - 1] += 1
    return counts


@given(st.lists(st.floats(0.0, 15.9), min_size=1, max_size=60), st.floats(0.0, 1.0))
def test_quantile_lies_in_the_bin_of_the_true_one(values: list[float], q: float) -> None:
    rank = max(0, math.ceil(q * len(values)) - 1)
    true = sorted(values)[rank]
    at = bisect.bisect_right(EDGES, true) - 1
    got = quantile_of_histogram(EDGES, counts_of(values), q)
    assert EDGES[at] - 1e-9 <= got <= EDGES[at + 1] + 1e-9


def test_quantile_interpolates_and_knows_the_empty_histogram() -> None:
    assert quantile_of_histogram(EDGES, [0, 0, 4, 0, 0], 0.5) == 3.0
    assert quantile_of_histogram(EDGES, [0, 0, 4, 0, 0], 1.0) == 4.0
    assert math.isnan(quantile_of_histogram(EDGES, [0] * 5, 0.5))
    with pytest.raises(ValueError, match="6 edges"):
        quantile_of_histogram([0.0, 1.0], [0] * 5, 0.5)


def test_survival_falls_from_one_to_zero() -> None:
    assert survival(EDGES, [1, 0, 2, 0, 1]) == (EDGES, [1.0, 0.75, 0.75, 0.25, 0.25, 0.0])
    assert survival(EDGES, [0] * 5) == ([], [])
