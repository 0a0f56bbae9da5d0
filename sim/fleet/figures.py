"""The figures of a fleet: what is worked out of a VM's scalars, and fleet.json from the scalars of all VMs with all settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sim.config.schema import Fleet, FleetTarget
from sim.fleet.intervals import Interval, Paired, holm, paired, quantile, ratio, wilson
from sim.metrics import METRICS, Metric, describe
from sim.statistics import summarise

Scalars = Mapping[str, float]
Rows = Sequence[Sequence[Scalars | None]]  # [setting][VM]; None: that run failed

DERIVED: dict[str, Metric] = {
    "memory_saved": Metric("MiB", "pages held compressed less the pool's pages and metadata, mean over time", "pool", "better"),
    "memory_saved_share": Metric("%", "of the VM's memory: what compression saves", "pool", "better"),
    "swap_traffic": Metric("pages/s", "pages read from and written to the swap device", "swap", "worse"),
}
USUAL = (
    *("psi_memory_some", "psi_memory_full", "allocstall_p99", "fault_p99", "memory_saved", "memory_saved_share", "swap_traffic"),
    *("pgmajfault_rate", "backend_rejects", "cold_share", "far_share", "promotion_rate", "promotion_rate_p98", "cpu_cold"),
)
PERCENTILES = (50, 90, 98, 99)
SIGNIFICANT = 0.05


def known(name: str) -> bool:
    """Whether a VM may have this figure."""
    return name in DERIVED or name in METRICS or describe(name).doc != ""


def metric(name: str) -> Metric:
    """What a figure of a VM means."""
    return DERIVED.get(name) or describe(name)


def derive(scalars: Scalars, memory: int, page_size: int) -> dict[str, float]:
    """A run's scalars, finite ones only, and what is worked out of them."""
    found = {name: float(value) for name, value in scalars.items() if math.isfinite(value)}
    held = found.get("far_pages", found.get("stored_pages"))
    if held is not None and "pool_pages" in found:
        saved = (held - found["pool_pages"]) * page_size - found.get("pool_metadata", 0.0)
        found["memory_saved"] = saved / 2**20
        found["memory_saved_share"] = 100 * saved / memory
    if "pswpin_rate" in found and "pswpout_rate" in found:
        found["swap_traffic"] = found["pswpin_rate"] + found["pswpout_rate"]
    return found


def shown(fleet: Fleet, rows: Rows) -> list[str]:
    """The figures to show, those that some VM has: of the targets, asked for, and the usual ones that are not 0 everywhere."""
    every = [scalars for setting in rows for scalars in setting if scalars is not None]
    there = {name for scalars in every for name in scalars}
    usual = [name for name in USUAL if any(scalars.get(name) for scalars in every)]
    return [name for name in dict.fromkeys((*fleet.targets, *fleet.metrics, *usual)) if name in there]


def _values(setting: Sequence[Scalars | None], name: str) -> list[float]:
    return [scalars[name] for scalars in setting if scalars is not None and name in scalars]


def _span(interval: Interval) -> dict[str, float | None]:
    return interval._asdict()


def distribution(values: Sequence[float]) -> dict[str, Any]:
    """A figure over the VMs that have it: their number, mean with its interval, percentiles with theirs."""
    summary = summarise(values)
    return {
        "n": summary.n,
        "mean": summary.mean,
        "low": summary.low,
        "high": summary.high,
        "percentiles": {str(p): _span(quantile(values, p / 100)) for p in PERCENTILES} if summary.n else {},
    }


def meets(target: FleetTarget, value: float) -> bool:
    """Whether a VM's figure is what the target asks for."""
    return value <= target.most if target.most is not None else value >= float(target.least or 0.0)


def target_of(target: FleetTarget, values: Sequence[float]) -> dict[str, Any]:
    """The share of the VMs that meet a target; the verdict is "yes" or "no" only where the whole interval says so."""
    met = sum(meets(target, value) for value in values)
    if not values:
        return {"n": 0, "met": 0, "share": None, "low": None, "high": None, "verdict": "no VM has this figure"}
    found = wilson(met, len(values))
    assert found.low is not None and found.high is not None
    verdict = "yes" if found.low >= target.share else "no" if found.high < target.share else "cannot tell"
    return {"n": len(values), "met": met, "share": found.value, "low": found.low, "high": found.high, "verdict": verdict}


def _pairs(rows: Rows, name: str, setting: int) -> tuple[list[float], list[float]]:
    """A figure with `setting` and with the first setting, of the VMs that have it with both."""
    both = [
        (ours[name], first[name])
        for ours, first in zip(rows[setting], rows[0], strict=True)
        if ours is not None and first is not None and name in ours and name in first
    ]
    return [ours for ours, _ in both], [first for _, first in both]


def _difference(found: Paired, p: float, better: str) -> dict[str, Any]:
    mean = found.summary.mean
    assert mean is not None
    verdict = "no difference shown"
    if p < SIGNIFICANT:
        word = {"better": ("better", "worse"), "worse": ("worse", "better")}.get(better, ("more", "less"))
        verdict = word[0] if mean > 0 else word[1]
    return {
        "n": found.summary.n,
        "mean": mean,
        "low": found.summary.low,
        "high": found.summary.high,
        "median": _span(found.median),
        "vms_above": found.above,
        "vms_below": found.below,
        "p": found.p,
        "p_holm": p,
        "verdict": verdict,
    }


def differences(rows: Rows, names: Sequence[str]) -> dict[str, list[dict[str, Any] | None]]:
    """Every setting against the first over the same VMs, by figure; Holm's correction over all of them together."""
    found: dict[tuple[str, int], Paired] = {}
    for name in names:
        for setting in range(1, len(rows)):
            ours, first = _pairs(rows, name, setting)
            if len(ours) >= 2:
                found[name, setting] = paired(ours, first)
    corrected = dict(zip(found, holm([pair.p for pair in found.values()]), strict=True))

    def one(name: str, setting: int) -> dict[str, Any] | None:
        key = (name, setting)
        return _difference(found[key], corrected[key], metric(name).higher_is) if key in found else None

    return {name: [one(name, setting) for setting in range(1, len(rows))] for name in names}


def saved_in_all(setting: Sequence[Scalars | None], memory: Sequence[float], seed: int) -> dict[str, float | None] | None:
    """The share of the whole fleet's memory that compression saves; None where nothing is compressed."""
    both = [(one["memory_saved"] * 2**20, mine) for one, mine in zip(setting, memory, strict=True) if one and "memory_saved" in one]
    if not both:
        return None
    found = ratio([100 * saved for saved, _ in both], [mine for _, mine in both], seed)
    return _span(found)


def figures(fleet: Fleet, rows: Rows, memory: Sequence[Sequence[float]], seed: int) -> dict[str, Any]:
    """The part of fleet.json that is worked out.  memory: bytes of every VM, by setting."""
    names = shown(fleet, rows)
    return {
        "metrics": {
            name: {
                "unit": metric(name).unit,
                "doc": metric(name).doc,
                "higher_is": metric(name).higher_is,
                "settings": [distribution(_values(setting, name)) for setting in rows],
            }
            for name in names
        },
        "targets": {
            name: target.resolved() | {"settings": [target_of(target, _values(setting, name)) for setting in rows]}
            for name, target in fleet.targets.items()
        },
        "saved_in_all": [saved_in_all(setting, mine, seed) for setting, mine in zip(rows, memory, strict=True)],
        "differences": differences(rows, names),
    }
