"""The rule that adds replications until the interval is narrow enough; how often it covers is in tests/verification."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from sim.statistics import summarise
from sim.statistics.sequential import enough, needed, stop_at

values_of = some.lists(some.floats(-100, 100).map(lambda v: round(v, 1)), max_size=30)
FIVE = [10.0, 12.0, 11.0, 13.0, 9.0]  # mean 11, sd sqrt(2.5): half-width 2.776 * sqrt(0.5) = 1.963


def test_enough_by_hand() -> None:
    assert enough(FIVE, 1.97, relative=False) and not enough(FIVE, 1.96, relative=False)
    assert enough(FIVE, 0.179) and not enough(FIVE, 0.178)  # 1.963 / 11 = 0.1785
    assert enough(FIVE, 1.97, relative=False, confidence=0.9) and enough(FIVE, 1.6, relative=False, confidence=0.9)
    assert not enough(FIVE[:4], 100.0)  # least is 5
    assert not enough([*FIVE[:4], None, math.nan], 100.0)  # absent values do not count
    assert enough([-v for v in FIVE], 0.179)


def test_values_without_spread_and_around_zero() -> None:
    assert enough([0.0] * 5, 0.01) and enough([3.0] * 5, 1e-9)
    assert not enough([-1.0, 1.0, -1.0, 1.0, 0.0], 0.5) and needed([-1.0, 1.0, -1.0, 1.0, 0.0], 0.5) is None
    assert not enough([], 0.1, least=0) and not enough([1.0], 0.1, least=1) and needed([1.0], 0.1) is None
    assert needed([3.0, 3.0], 0.1) == 2


def test_needed_by_hand() -> None:
    """sd 1.581 to half-widths of 1: n = 12 gives 2.201 * 1.581 / sqrt(12) = 1.0046, n = 13 gives 2.179 * 1.581 / sqrt(13) = 0.9554."""
    assert needed(FIVE, 1.0, relative=False) == 13
    assert needed(FIVE, 1 / 11) == 13
    sd = math.sqrt(2.5)
    assert needed(FIVE, 0.001, relative=False) == pytest.approx((1.959964 * sd / 0.001) ** 2, rel=1e-4)  # normal in the limit


@given(values_of.filter(lambda v: len(v) >= 2), some.floats(0.01, 2.0))
def test_needed_is_the_smallest_that_would_do(values: list[float], target: float) -> None:
    count = needed(values, target, relative=False)
    sd = summarise(values).sd
    assert count is not None and sd is not None
    from scipy.special import stdtrit

    def half(n: int) -> float:
        return float(stdtrit(n - 1, 0.975)) * sd / math.sqrt(n)

    assert half(count) <= target * (1 + 1e-9)
    assert count == 2 or half(count - 1) > target * (1 - 1e-9)


@given(values_of, values_of, some.floats(0.01, 1.0), some.booleans())
def test_what_was_simulated_beyond_does_not_matter(values: list[float], more: list[float], target: float, relative: bool) -> None:
    stop = stop_at(values, target, relative, most=20)
    if stop is not None:
        assert stop_at(values + more, target, relative, most=20) == stop
        assert stop_at(values[:stop], target, relative, most=20) == stop
        assert stop == 20 or enough(values[:stop], target, relative)
        assert all(stop_at(values[:n], target, relative, most=20) is None for n in range(stop))
    else:
        assert len(values) < 20 and not enough(values, target, relative)


def test_stop_by_hand() -> None:
    """A spread first, then quiet.  Squares add up to 10: half-widths 2.447 sqrt(10/6/7) = 1.19 and 2.365 sqrt(10/7/8) = 0.9994."""
    values = FIVE + [11.0] * 20
    halves = [summarise(values[:n]).half_width or math.inf for n in range(26)]
    first = next(n for n in range(5, 26) if halves[n] <= 1.0)
    assert stop_at(values, 1.0, relative=False) == first == 8
    assert stop_at(values[:7], 1.0, relative=False) is None
    assert stop_at(FIVE * 3, 1e-6, most=12) == 12
    assert stop_at(FIVE, 5.0, least=2, relative=False) == 3  # 10 and 12: 12.7 * 1.414 / 1.414; with 11: 4.303 / sqrt(3)
    with pytest.raises(ValueError, match="found 5 and 4"):
        stop_at(FIVE, 0.1, most=4)
    for function in (enough, needed, stop_at):
        with pytest.raises(ValueError, match="above 0, found 0"):
            function(FIVE, 0.0)
