"""Figures of memory cgroups: `cgroup.NAME.*` in run.json and series.csv, with the kernel's names of its files."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.memory import groups as cg
from models.memory import state as st

if TYPE_CHECKING:
    from sim.actors.groups import Group
    from sim.actors.sampler import Sampler
    from sim.vm import Vm

EVENTS = ("low", "high", "max", "oom", "oom_kill")
SWAP_EVENTS = ("max", "fail")
STAT = {
    "pgfault": cg.S_FAULT,
    "pgmajfault": cg.S_MAJFAULT,
    "pgrefill": cg.S_REFILL,
    "pgscan_kswapd": cg.S_SCAN_KSWAPD,
    "pgscan_direct": cg.S_SCAN_DIRECT,
    "pgsteal_kswapd": cg.S_STEAL_KSWAPD,
    "pgsteal_direct": cg.S_STEAL_DIRECT,
    "pgactivate": cg.S_ACTIVATE,
    "pgdeactivate": cg.S_DEACTIVATE,
    "workingset_refault_anon": cg.S_REFAULT,
    "workingset_refault_file": cg.S_REFAULT_FILE,
    "workingset_activate_anon": cg.S_WS_ACTIVATE,
    "workingset_activate_file": cg.S_WS_ACTIVATE_FILE,
    "workingset_restore_anon": cg.S_RESTORE,
    "workingset_restore_file": cg.S_RESTORE_FILE,
}
LISTS = ("inactive_anon", "active_anon", "inactive_file", "active_file")
COUNTERS = {
    "pgmajfault": cg.S_MAJFAULT,
    "pgscan_direct": cg.S_SCAN_DIRECT,
    "pgsteal_direct": cg.S_STEAL_DIRECT,
    "workingset_refault_anon": cg.S_REFAULT,
}

LEVELS = ("memory.current", "memory.high", "memory.swap.current", "anon", "file", "pagetables", *LISTS)
STALLS = ("memory.pressure.some", "memory.pressure.full")


class GroupMark(NamedTuple):
    """A group's counters at one moment: its row, and its stall times in ns."""

    row: np.ndarray
    psi: tuple[int, int, int, int]


def group_marks(vm: Vm) -> list[GroupMark]:
    """Of all groups, now."""
    marks = []
    for group in vm.groups.all if vm.groups is not None else ():
        psi = group.psi
        psi.settle()
        marks.append(GroupMark(group.row.copy(), (psi.memory_some, psi.memory_full, psi.io_some, psi.io_full)))
    return marks


def group_columns(vm: Vm) -> list[str]:
    """Columns of series.csv: levels in pages, counters, total stall times in microseconds."""
    names = [*LEVELS, *COUNTERS, *STALLS]
    return [f"cgroup.{group.name}.{name}" for group in (vm.groups.all if vm.groups is not None else ()) for name in names]


def _anon(vm: Vm, group: Group) -> int:
    """Anonymous pages that its processes map."""
    proc = vm.arrays.proc
    return int(proc[proc[:, st.CGROUP] == group.number, st.RSS].sum())


def group_values(vm: Vm) -> list[float]:
    """One row of the columns."""
    values: list[float] = []
    for group in vm.groups.all if vm.groups is not None else ():
        row = group.row
        group.psi.settle()
        values += [int(row[cg.USAGE]), min(int(row[cg.HIGH]), int(vm.num[st.TOTAL_PAGES])), int(row[cg.SWAP])]
        values += [_anon(vm, group), int(row[cg.OF_KIND + st.FILE]), int(row[cg.OF_KIND + st.TABLE])]
        values += [int(row[cg.LISTED + k]) for k in range(len(LISTS))]
        values += [int(row[column]) for column in COUNTERS.values()]
        values += [group.psi.memory_some / 1000, group.psi.memory_full / 1000]
    return values


def group_scalars(vm: Vm, begin: list[GroupMark], end: list[GroupMark], sampler: Sampler, since: int) -> dict[str, float]:
    """All figures between two marks, the first at time `since` (ns); levels are means of the samples."""
    seconds = (int(vm.env.now) - since) / 1e9
    found: dict[str, float] = {}
    for group, first, last in zip(vm.groups.all if vm.groups is not None else (), begin, end, strict=True):
        row, grown = last.row, last.row - first.row
        here = f"cgroup.{group.name}."
        found |= {here + name: float(sampler.since(here + name, since).mean()) for name in LEVELS}
        found[f"{here}memory.peak"] = int(row[cg.PEAK])
        if vm.num[st.POOL_IN_GROUPS]:
            found |= {f"{here}memory.zswap.current": int(row[cg.POOL_BYTES])}
            found |= {f"{here}zswpin": int(grown[cg.S_ZSWPIN]), f"{here}zswpout": int(grown[cg.S_ZSWPOUT])}
        found |= {f"{here}memory.events.{name}": int(grown[cg.EVENTS + k]) for k, name in enumerate(EVENTS)}
        found |= {f"{here}memory.swap.events.{name}": int(grown[cg.EV_SWAP_MAX + k]) for k, name in enumerate(SWAP_EVENTS)}
        found |= {f"{here}{name}": int(grown[column]) for name, column in STAT.items()}
        for name, a, b in zip(("memory_some", "memory_full", "io_some", "io_full"), first.psi, last.psi, strict=True):
            found[f"{here}psi_{name}"] = 100 * (b - a) / 1e9 / seconds if seconds else float("nan")
    return found
