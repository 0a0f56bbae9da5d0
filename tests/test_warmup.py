"""A run that finds its own warm-up gives the figures of one that was told the same warm-up."""

from __future__ import annotations

import math

import pytest

import sim
from sim.warmup import is_level


def config(warm_up: object, **more: object) -> sim.Config:
    backend = sim.Backend("zcache", persistent={"allocator": "xcfmalloc"})
    return sim.Config(
        name="warm",
        duration="400ms",
        warm_up=warm_up,
        machine=sim.Machine(memory="24MiB", cpus=1),
        devices={"disk": sim.Device("ssd")},
        swap=sim.Swap(device="disk", size="64MiB"),
        backend=backend,
        output=sim.Output(interval="2ms"),
        workloads=[sim.Workload(name="w", kind="zipf", size="28MiB", accesses=10_000_000, think="1us")],
        **more,
    )


@pytest.mark.parametrize("metric", ["pgmajfault", "stored_pages", "allocstall", "nr_inactive_anon"])
def test_it_is_as_if_it_had_been_told(metric: str) -> None:
    found = sim.simulate(config({"method": "mser-5", "metric": metric}), 0)
    cut = found.scalars["warm_up"]
    assert 0 < cut <= 0.2
    told = sim.simulate(config(round(cut * 1e9)), 0)
    assert found.series == told.series  # it is the same run
    for name, value in told.scalars.items():
        mine = found.scalars[name]
        assert mine == value or math.isclose(mine, value, rel_tol=1e-9) or (math.isnan(mine) and math.isnan(value)), name
    assert set(found.scalars) - set(told.scalars) == {"warm_up", "warm_up_reliable"}
    without = sim.simulate(config("0s"), 0)
    assert without.scalars["pgmajfault_rate"] != told.scalars["pgmajfault_rate"]


def test_a_long_series_of_marks_is_thinned_out(monkeypatch: pytest.MonkeyPatch) -> None:
    full = sim.simulate(config("mser-5"), 0)
    monkeypatch.setattr("sim.warmup.MOST_MARKS", 64)
    thin = sim.simulate(config("mser-5"), 0)
    assert abs(thin.scalars["warm_up"] - full.scalars["warm_up"]) <= 0.1
    told = sim.simulate(config(round(thin.scalars["warm_up"] * 1e9)), 0)
    assert thin.scalars["pgmajfault_rate"] == told.scalars["pgmajfault_rate"]


def test_a_run_that_is_too_short_says_so() -> None:
    found = sim.simulate(short(), 0)
    assert found.scalars["warm_up_reliable"] == 0.0


def short() -> sim.Config:
    data = config("mser-5").resolved()
    data["output"]["interval"] = 100_000_000
    return sim.Config.from_dict(data)


def test_levels_and_counters() -> None:
    assert all(is_level(name) for name in ("nr_free_pages", "pool_pages", "stored_pages", "nr_dirty"))
    assert not any(is_level(name) for name in ("pgmajfault", "nr_dirtied", "accesses", "backend_stores", "pswpin"))
