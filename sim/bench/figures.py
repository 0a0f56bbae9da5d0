"""The bench's figures: what each means, and how it is computed from one replication of a case.

Definitions (docs/allocator-bench.md): S pages stored, B their bytes, P pool pages in use, M metadata bytes outside the pages, R
pages that the allocator refused and its caller therefore keeps whole.  A figure without a moment in its name is of the whole
sequence: sums over the samples, so a moment with twice as many pages counts twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from models.allocators import measure as driver
from sim.bench.measure import SERIES, Measured, Probe
from sim.metrics import Metric

GROUPS = {
    "space": "Space, over the whole sequence",
    "peak": "Peaks",
    "moment": "Space at moments of the sequence",
    "store": "Cost of a store",
    "free": "Cost of a free and of a load",
    "compaction": "Compaction",
    "drain": "From freed objects to free pages",
}

METRICS: dict[str, Metric] = {
    "effective_compression": Metric("%", "(P + M/page) / S: the published figure of 2011", "space", "worse"),
    "memory_used": Metric("%", "(P + M/page + R) / (S + R): as above, where a refused page takes a page", "space", "worse"),
    "compression_ratio": Metric("", "S * page / B: of the sizes alone", "space"),
    "density": Metric("pages/page", "S / P: pages stored in a pool page", "space", "better"),
    "fragmentation_loss": Metric("%", "1 - B / (P * page)", "space", "worse"),
    "loss_metadata": Metric("%", "of the pool pages: headers in them", "space", "worse"),
    "loss_internal": Metric("%", "of the pool pages: lost by rounding inside blocks in use", "space", "worse"),
    "loss_external": Metric("%", "of the pool pages: free space that holds nothing", "space", "worse"),
    "metadata_outside": Metric("%", "of the pool pages: M, descriptors and handles", "space", "worse"),
    "raw": Metric("%", "R / (S + R): pages that the caller keeps whole because the allocator refused them", "space", "worse"),
    "refused": Metric("%", "of the stores: refused by the allocator", "space", "worse"),
    "peak_pages": Metric("pages", "most pool pages after any operation", "peak", "worse"),
    "peak_payload": Metric("KiB", "most payload after any operation", "peak"),
    "peak_over_ideal": Metric("%", "most pool bytes over most payload bytes, less 1", "peak", "worse"),
    "store_walked_mean": Metric("", "list heads and blocks looked at by a store", "store", "worse"),
    "store_walked_p999": Metric("", "999 of 1000 stores look at no more", "store", "worse"),
    "store_walked_worst": Metric("", "the worst store of all replications", "store", "worse"),
    "store_ns_mean": Metric("ns", "time of a store, by the table of costs", "store", "worse"),
    "store_ns_p999": Metric("ns", "999 of 1000 stores take no longer", "store", "worse"),
    "store_ns_worst": Metric("ns", "the worst store of all replications", "store", "worse"),
    "store_copied_mean": Metric("B", "bytes copied by a store", "store", "worse"),
    "free_walked_mean": Metric("", "list heads and blocks looked at by a free", "free", "worse"),
    "free_walked_p999": Metric("", "999 of 1000 frees look at no more", "free", "worse"),
    "free_walked_worst": Metric("", "the worst free of all replications", "free", "worse"),
    "free_ns_mean": Metric("ns", "time of a free, by the table of costs", "free", "worse"),
    "free_ns_p999": Metric("ns", "999 of 1000 frees take no longer", "free", "worse"),
    "free_ns_worst": Metric("ns", "the worst free of all replications", "free", "worse"),
    "load_copied_mean": Metric("B", "bytes copied by a load before it can decompress", "free", "worse"),
    "would_free": Metric("%", "of the pool pages: what compacting would free, mean of the probes", "compaction"),
    "would_free_end": Metric("%", "the same at the end of the sequence", "compaction"),
    "would_free_pages": Metric("pages", "pages that compacting would free at the end", "compaction"),
    "would_move": Metric("objects", "objects that this would move", "compaction"),
    "would_copy": Metric("KiB", "bytes that this would copy", "compaction", "worse"),
    "would_take": Metric("us", "time that this would take", "compaction", "worse"),
    "pages_per_moved": Metric("pages/MiB", "pages freed for each MiB that compacting copies, all probes together", "compaction", "better"),
    "compactions": Metric("", "compactions in the course of the sequence", "compaction"),
    "compaction_freed": Metric("pages", "pages that they freed, all together", "compaction", "better"),
    "compaction_copied": Metric("B", "bytes that they copied for each store", "compaction", "worse"),
    "compaction_ns": Metric("ns", "time that they took for each store", "compaction", "worse"),
    "compaction_worst": Metric("us", "the longest of them in all replications", "compaction", "worse"),
    "back_at_25": Metric("%", "pages that are back when 25 % of the objects have been freed", "drain", "better"),
    "back_at_50": Metric("%", "pages that are back when 50 % of the objects have been freed", "drain", "better"),
    "back_at_75": Metric("%", "pages that are back when 75 % of the objects have been freed", "drain", "better"),
    "freed_for_half": Metric("%", "objects that must go until half of the pages are back", "drain", "worse"),
    "time_for_half": Metric("us", "time of the frees until then", "drain", "worse"),
}
AT_MOMENT = {
    "pool_pages": Metric("pages", "pool pages in use", "moment"),
    "stored": Metric("pages", "pages stored", "moment"),
    "payload": Metric("KiB", "payload", "moment"),
    "density": Metric("pages/page", "pages stored in a pool page", "moment", "better"),
    "effective_compression": Metric("%", "(P + M/page) / S", "moment", "worse"),
    "fragmentation_loss": Metric("%", "1 - B / (P * page)", "moment", "worse"),
}
WORST_OF_ALL = frozenset(name for name in METRICS if name.endswith("_worst"))  # their maximum counts, not their mean
PAIRED = ("effective_compression", "memory_used", "fragmentation_loss", "peak_pages", "store_ns_mean", "free_ns_mean", "would_free")
DRAINED = (25, 50, 75)


def describe(name: str) -> Metric:
    """What a figure means: of METRICS, or MOMENT.FIGURE."""
    if name in METRICS:
        return METRICS[name]
    moment, _, figure = name.partition(".")
    plain = AT_MOMENT.get(figure, Metric("", "", "moment"))
    where = "at the end" if moment == "end" else f"at the moment `{moment}`"
    return plain._replace(doc=f"{plain.doc}, {where}")


def ordered(names: set[str]) -> list[str]:
    """Figures in the order of the tables."""
    known = {name: place for place, name in enumerate([*METRICS, *AT_MOMENT])}
    return sorted(names, key=lambda name: (known.get(name, len(METRICS)), name))


def _share(part: float, whole: float, factor: float = 100.0) -> float:
    return factor * part / whole if whole else math.nan


def _space(sums: Mapping[str, float], page: int) -> dict[str, float]:
    """Figures of a sum of samples."""
    bytes_held = sums["pages"] * page
    used = sums["pages"] + sums["meta_outside"] / page
    return {
        "effective_compression": _share(used, sums["objects"]),
        "memory_used": _share(used + sums["refused"], sums["objects"] + sums["refused"]),
        "raw": _share(sums["refused"], sums["objects"] + sums["refused"]),
        "compression_ratio": _share(sums["objects"] * page, sums["payload"], 1.0),
        "density": _share(sums["objects"], sums["pages"], 1.0),
        "fragmentation_loss": _share(bytes_held - sums["payload"], bytes_held),
        "loss_metadata": _share(sums["meta_inside"], bytes_held),
        "loss_internal": _share(sums["lost_inside"], bytes_held),
        "loss_external": _share(sums["free_bytes"], bytes_held),
        "metadata_outside": _share(sums["meta_outside"], bytes_held),
    }


def _moments(found: Measured, page: int) -> dict[str, float]:
    figures: dict[str, float] = {}
    for moment, place in found.at.items():
        row = dict(zip(SERIES, found.series[place].tolist(), strict=True))
        space = _space(row, page)
        values = {"pool_pages": row["pages"], "stored": row["objects"], "payload": row["payload"] / 1024}
        values |= {name: space[name] for name in AT_MOMENT if name in space}
        figures |= {f"{moment}.{name}": values[name] for name in AT_MOMENT}
    return figures


def _operations(found: Measured) -> dict[str, float]:
    """What stores, frees and loads cost."""
    figures: dict[str, float] = {}
    total = found.total
    for kind, first in (("store", driver.STORE), ("free", driver.FREE_)):
        count = int(found.histogram[first].sum())
        for what, row in (("walked", first + driver.WALK), ("ns", first + driver.TIME)):
            worst = int(total[driver.WORST + row])
            figures[f"{kind}_{what}_mean"] = _share(int(total[driver.SUM + row]), count, 1.0)
            figures[f"{kind}_{what}_p999"] = min(driver.quantile(found.histogram[row], 0.999), worst) if count else math.nan
            figures[f"{kind}_{what}_worst"] = worst if count else math.nan
    stores = int(total[driver.STORES])
    figures["store_copied_mean"] = _share(int(total[driver.SUM + driver.STORE + driver.COPY]), stores, 1.0)
    return figures


def _compactions(probes: list[Probe], done: list[Probe], stores: int) -> dict[str, float]:
    figures: dict[str, float] = {}
    if probes:
        last = probes[-1]
        freed, copied = sum(probe.freed for probe in probes), sum(probe.copied for probe in probes)
        figures["would_free"] = _share(freed, sum(probe.pages for probe in probes))
        figures["would_free_end"] = _share(last.freed, last.pages)
        figures |= {"would_free_pages": last.freed, "would_move": last.moved, "would_copy": last.copied / 1024, "would_take": last.ns / 1e3}
        figures["pages_per_moved"] = _share(freed, copied / 2**20, 1.0)
    if done:
        figures["compactions"] = len(done)
        figures["compaction_freed"] = sum(probe.freed for probe in done)
        figures["compaction_copied"] = _share(sum(probe.copied for probe in done), stores, 1.0)
        figures["compaction_ns"] = _share(sum(probe.ns for probe in done), stores, 1.0)
        figures["compaction_worst"] = max(probe.ns for probe in done) / 1e3
    return figures


def _drain(found: Measured) -> dict[str, float]:
    """How quickly pages follow the objects; only for a sequence that empties the pool after it was full."""
    if "freed_50" not in found.at:
        return {}
    column = {name: found.series[:, place].astype(float) for place, name in enumerate(SERIES)}
    full = found.at["full"]
    pages, objects = column["pages"], column["objects"]
    if not pages[full] or not objects[full]:
        return {}
    figures = {f"back_at_{share}": 100 * (1 - pages[found.at[f"freed_{share}"]] / pages[full]) for share in DRAINED}
    after = np.flatnonzero(pages[full:] <= pages[full] / 2)
    if len(after):
        place = full + int(after[0])
        figures["freed_for_half"] = 100 * (1 - objects[place] / objects[full])
        figures["time_for_half"] = (column["free_ns"][place] - column["free_ns"][full]) / 1e3
    return {name: float(value) for name, value in figures.items()}


def scalars(found: Measured, page: int) -> dict[str, float]:
    """All figures of one replication; NaN where there is nothing to say."""
    sums = dict(zip(SERIES, found.series.sum(axis=0).astype(float).tolist(), strict=True))
    total = found.total
    figures = _space(sums, page)
    tried = int(total[driver.STORES] + total[driver.REFUSED])
    figures["refused"] = _share(int(total[driver.REFUSED]), tried)
    peak, payload = int(total[driver.PEAK_PAGES]), int(total[driver.PEAK_PAYLOAD])
    figures |= {"peak_pages": peak, "peak_payload": payload / 1024, "peak_over_ideal": _share(peak * page, payload) - 100}
    figures |= _operations(found)
    figures["load_copied_mean"] = _share(sums["payload"], sums["objects"], 1.0) if found.copy_on_load else 0.0
    figures |= _compactions(found.probes, found.compactions, int(total[driver.STORES])) | _drain(found) | _moments(found, page)
    return {name: float(value) for name, value in figures.items()}


def picture(found: Measured, ops: Any, allocator: Any, page: int, pages: int) -> list[list[list[int]]]:
    """Some neighbouring pool pages at the end: for each a list of [offset, length] of what is stored there.

    An allocator says where an object's blocks begin; a block ends where the next begins, where the page does, or with the object.  What is
    left then lies in the object's next block, or else in the page that was taken next.
    """
    live = np.flatnonzero(found.handles > 0)
    if not len(live) or not pages:
        return []
    size_of = np.zeros(len(found.handles), np.int64)
    allocs = ops.arg > 0
    size_of[ops.ident[allocs]] = ops.arg[allocs]
    out = np.zeros(2 * 64, np.int64)
    starts: dict[int, list[int]] = {}
    objects: list[tuple[int, list[tuple[int, int]]]] = []
    for who in live.tolist():
        n = min(int(allocator.blocks(found.pool.pool, int(found.handles[who]) - 1, out)), len(out) // 2)
        blocks = [(int(out[2 * k]), int(out[2 * k + 1])) for k in range(n)]
        objects.append((int(size_of[who]), blocks))
        for serial, offset in blocks:
            starts.setdefault(serial, []).append(offset)
    serials = sorted(starts)
    middle = max((len(serials) - pages) // 2, 0)
    chosen = serials[middle : middle + pages]
    ends = {serial: [*sorted(offsets), page] for serial, offsets in starts.items()}
    drawn: dict[int, list[list[int]]] = {serial: [] for serial in chosen}
    for size, blocks in objects:
        left = size
        for number, (serial, offset) in enumerate(blocks):
            room = min(end for end in ends[serial] if end > offset) - offset
            length = min(left, room)
            if serial in drawn:
                drawn[serial].append([offset, length])
            left -= length
            if number == len(blocks) - 1 and left and serial + 1 in drawn:
                drawn[serial + 1].append([0, min(left, page)])
    return [sorted(drawn[serial]) for serial in chosen]
