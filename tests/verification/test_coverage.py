"""Every row of the coverage table keeps its claim, and docs/statistics.md prints what is measured here."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

from sim.statistics.batches import batch_means
from sim.statistics.intervals import mean_interval
from sim.statistics.warmup import mser
from tests.verification.coverage import ROWS, Row, biased, emptying, measured
from tests.verification.processes import ar1, mm1_mean, mm1_size, mm1_waits

PAGE = Path(__file__).resolve().parents[2] / "docs" / "statistics.md"
DEVIATIONS = 3.3  # one row in a thousand would miss a true claim


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_coverage_is_as_claimed(row: Row) -> None:
    held, trials = measured(row.name)
    share = held / trials
    assert share >= row.low - DEVIATIONS * math.sqrt(row.low * (1 - row.low) / trials)
    assert share <= row.high + DEVIATIONS * math.sqrt(row.high * (1 - row.high) / trials)


def test_the_page_prints_these_figures() -> None:
    """To half a per cent, since the last digit of a sum may differ between machines."""
    text = PAGE.read_text(encoding="utf-8")
    for row in ROWS:
        held, trials = measured(row.name)
        line = re.search(rf"^\| {re.escape(row.method)} \| {re.escape(row.process)} \| ([0-9.]+) % \| ([0-9,]+) \|$", text, re.M)
        assert line is not None, f"docs/statistics.md has no row for {row.name}"
        assert float(line[1]) == pytest.approx(100 * held / trials, abs=0.5), row.name
        assert int(line[2].replace(",", "")) == trials


def test_rows_have_names_of_their_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


# --- the processes themselves, so that a wrong truth is not taken for a wrong interval


def test_lindleys_recursion() -> None:
    rng, again = np.random.default_rng(5), np.random.default_rng(5)
    fast = mm1_waits(0.7, rng, 1, 500, first=2.0)[0]
    service, gaps = again.exponential(1.0, (1, 499))[0], again.exponential(1 / 0.7, (1, 499))[0]
    wait = 2.0
    for i in range(499):
        assert fast[i] == pytest.approx(wait, abs=1e-9)
        wait = max(0.0, wait + service[i] - gaps[i])


def test_the_variance_of_a_mean_wait_is_daleys() -> None:
    means = mm1_waits(0.5, np.random.default_rng(6), 1000, 3000)[:, 1000:].mean(axis=1)
    assert means.mean() == pytest.approx(mm1_mean(0.5), abs=4 * means.std() / math.sqrt(1000))
    variance_of_one = 0.5 * 1.5 / 0.25  # load (2 - load) / (1 - load)^2
    assert means.var() == pytest.approx(variance_of_one / mm1_size(0.5, 2000), rel=0.2)


# --- warm-up and reliability


def test_a_warm_up_that_is_left_in_makes_replications_agree_on_a_wrong_mean() -> None:
    """300 runs in 60 fives: the interval over five means, which knows nothing of what they have in common."""
    for values, truth, share in ((biased, 0.0, 10), (emptying, 1.0, 3)):
        rows = values(np.random.default_rng(7), 300)
        whole = rows.mean(axis=1)
        cut = np.array([row[mser(row).cut :].mean() for row in rows])
        assert abs(cut.mean() - truth) < abs(whole.mean() - truth) / share
        assert sum(mean_interval(five).contains(truth) is True for five in whole.reshape(60, 5)) < 15
        assert sum(mean_interval(five).contains(truth) is True for five in cut.reshape(60, 5)) > 48


def test_most_of_a_stationary_run_is_kept() -> None:
    rng = np.random.default_rng(8)
    found = [mser(row) for row in ar1(0.5, rng, 500, 1000)]
    assert np.mean([one.reliable for one in found]) > 0.9
    assert np.median([one.cut for one in found]) <= 50


def test_a_run_that_has_not_settled_is_told() -> None:
    rng = np.random.default_rng(9)
    drifting = ar1(0.5, rng, 300, 500) + np.linspace(20, 0, 500)
    assert np.mean([mser(row).reliable for row in drifting]) < 0.05


def test_short_runs_are_not_called_reliable() -> None:
    """AR(1) 0.98 has 2000 / 99, 20 independent values' worth; AR(1) 0.5 has 667."""
    rng = np.random.default_rng(10)
    assert np.mean([batch_means(row).reliable for row in ar1(0.98, rng, 300, 2000)]) < 0.05
    assert np.mean([batch_means(row).reliable for row in ar1(0.5, rng, 300, 2000)]) > 0.9
