"""Sums that must hold between the VM's counters at every sample, as between /proc/vmstat and /proc/meminfo of a real machine.

Each identity is a line of text: names of counters and numbers, `+`, and `=` or `<=`.  At import they become a matrix, so that one
product checks all of them.  Names are those of /proc/vmstat; `EXTRA` are the machine's own numbers beside it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from models.allocators import pool as pool_state
from models.backends.backend import LOADS, STORES
from models.memory import file_state as fi
from models.memory import groups as cg
from models.memory import pcp
from models.memory import state as st
from models.vmstat import COUNT, INDEX

if TYPE_CHECKING:
    from sim.vm import Vm

EXTRA: dict[str, str] = {
    "frames": "frames that the kernel manages",
    "zones_free": "free frames of all zones",
    "listed_free": "free frames on the per-CPU lists, which are not counted as free",
    "kernel_frames": "frames that the kernel took before the run",
    "slab_frames": "frames of all slab caches",
    "pool_frames": "frames that the VM holds for the backend's pools",
    "pools_hold": "pages that the pools' allocators have taken and not returned",
    "file_writeback": "pages of files under writeback",
    "file_written": "pages of files whose writing has ended",
    "swap_slots": "slots of the swap device",
    "swap_free": "free slots of the swap device",
    "taken_by_kswapd": "pages that kswapd took, by the table of who reclaimed what from whom",
    "taken_directly": "pages that tasks took, by that table",
    "taken_anon": "anonymous pages that anybody took, by that table",
    "taken_file": "pages of files that anybody took, by that table",
    "taken_in_groups": "pages that reclaim inside memory cgroups took",
    "scanned_in_groups": "pages that it looked at",
    "kib_read": "KiB that all devices, zram too, have read",
    "kib_written": "KiB that all devices, zram too, have written",
}

IDENTITIES: tuple[str, ...] = (
    "frames = kernel_frames + nr_free_pages + listed_free + nr_active_anon + nr_inactive_anon + nr_active_file + nr_inactive_file"
    " + nr_page_table_pages + slab_frames + pool_frames + nr_mlock",
    "nr_free_pages = zones_free",
    "nr_file_pages = nr_active_file + nr_inactive_file + nr_swapcached",
    "slab_frames = nr_slab_reclaimable + nr_slab_unreclaimable",
    "pool_frames = pools_hold",
    "nr_zone_write_pending = nr_dirty + nr_writeback",
    "pgalloc_dma + pgalloc_dma32 + pgalloc_normal + pgalloc_movable + nr_free_pages + listed_free + kernel_frames = pgfree + frames",
    "pgscan_kswapd + pgscan_direct + scanned_in_groups = pgscan_anon + pgscan_file",
    "pgsteal_kswapd + pgsteal_direct + taken_in_groups = pgsteal_anon + pgsteal_file",
    "taken_by_kswapd = pgsteal_kswapd",
    "taken_directly = pgsteal_direct + taken_in_groups",
    "taken_anon = pgsteal_anon",
    "taken_file = pgsteal_file",
    "nr_anon_pages <= nr_active_anon + nr_inactive_anon + nr_mlock",
    "nr_swapcached <= nr_active_anon + nr_inactive_anon",
    "nr_mapped <= nr_active_file + nr_inactive_file",
    "nr_dirty <= nr_active_file + nr_inactive_file",
    "file_writeback <= nr_active_file + nr_inactive_file",
    "file_writeback <= nr_writeback",
    "file_written + file_writeback + nr_dirty <= nr_dirtied",
    "file_written <= nr_written",
    "nr_dirty_background_threshold <= nr_dirty_threshold",
    "swap_free <= swap_slots",
    "pgsteal_anon <= pgscan_anon",
    "pgsteal_file <= pgscan_file",
    "pgmajfault <= pgfault",
    "pgpgin <= kib_read",
    "pgpgout <= kib_written",
)

_PLACES = INDEX | {name: COUNT + number for number, name in enumerate(EXTRA)}


def _factors(identity: str) -> list[int]:
    """Left minus right side, as factors of all numbers."""
    row = [0] * len(_PLACES)
    left, right = re.split(r" <?= ", identity)
    for side, sign in ((left, 1), (right, -1)):
        for name in side.split(" + "):
            row[_PLACES[name]] += sign
    return row


_MATRIX = np.array([_factors(identity) for identity in IDENTITIES], float)  # exact below 2^53, and much faster than integers
_EXACT = np.array([" <= " not in identity for identity in IDENTITIES])
_add = np.add.reduce  # half the time of ndarray.sum


def _zram_kib(vm: Vm, what: int) -> int:
    """KiB that zram, where it is the backend, has been read or written."""
    kib: int = vm.built.backend_num[what] * (vm.num[st.PAGE_SIZE] >> 10) if vm.num[st.SYNC_SLOTS] else 0
    return kib


def numbers(vm: Vm) -> np.ndarray[Any, Any]:
    """All counters of vmstat, then EXTRA."""
    num, stolen = vm.num, vm.arrays.stolen
    pool, clean, disks = vm.built.pool.num, vm.built.clean_pool.num, vm.disks.values()
    taken, returned = pool_state.PAGES_TAKEN, pool_state.PAGES_RETURNED
    columns = _add(stolen)
    everything, by_kswapd, anon = _add(columns), _add(stolen[0]), _add(columns[::2])
    values = np.empty(len(_PLACES))
    values[:COUNT] = vm.vmstat
    values[COUNT:] = (
        num[st.FRAMES],
        _add(vm.arrays.zone[:, st.ZONE_FREE]),
        _add(vm.arrays.pcp[:, pcp.COUNT]),
        num[st.KERNEL_FRAMES],
        _add(vm.arrays.slab[:, fi.PAGES]),
        num[st.POOL_FRAMES],
        pool[taken] - pool[returned] + clean[taken] - clean[returned],
        num[fi.FILE_WRITEBACK],
        num[fi.FILES_WRITTEN],
        num[st.SWAP_TOTAL],
        num[st.SWAP_FREE],
        by_kswapd,
        everything - by_kswapd,
        anon,
        everything - anon,
        _add(vm.arrays.cgroup[:, cg.OWN_STEAL]),
        _add(vm.arrays.cgroup[:, cg.OWN_SCAN]),
        (sum([disk.bytes[0] for disk in disks]) >> 10) + _zram_kib(vm, LOADS),
        (sum([disk.bytes[1] for disk in disks]) >> 10) + _zram_kib(vm, STORES),
    )
    return values


def broken(vm: Vm) -> list[str]:
    """The identities that do not hold, each with the numbers in it; empty if all do."""
    values = numbers(vm)
    excess = _MATRIX @ values
    wrong = (excess > 0) | (_EXACT & (excess < 0))
    if not wrong.any():
        return []
    known = {name: int(value) for name, value in zip(_PLACES, values, strict=True)}
    return [f"{IDENTITIES[k]}: {re.sub(r'[a-z][a-z0-9_]*', lambda m: str(known[m[0]]), IDENTITIES[k])}" for k in np.flatnonzero(wrong)]


def check_identities(vm: Vm) -> None:
    """An internal error that names every identity which does not hold now."""
    found = broken(vm)
    if found:
        raise AssertionError(f"at {int(vm.env.now)} ns the counters contradict each other:\n  " + "\n  ".join(found))
