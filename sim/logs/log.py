"""A log once it is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge"]
Values = Sequence[float | None]

# names of /proc/vmstat that begin with nr_ and count all the same
_COUNT = {
    *("nr_vmscan_write", "nr_vmscan_immediate_reclaim", "nr_dirtied", "nr_written", "nr_throttled_written"),
    *("nr_foll_pin_acquired", "nr_foll_pin_released", "nr_tlb_remote_flush", "nr_tlb_remote_flush_received"),
    *("nr_tlb_local_flush_all", "nr_tlb_local_flush_one"),
}
ZSWAP_GAUGES = ("pool_total_size", "stored_pages", "same_filled_pages")
# the fields of mm_stat in their order: Documentation/admin-guide/blockdev/zram.rst; older kernels have the first 7 or 8
MM_STAT = (
    *("orig_data_size", "compr_data_size", "mem_used_total", "mem_limit", "mem_used_max", "same_pages", "pages_compacted"),
    *("huge_pages", "huge_pages_since"),
)
_BYTES = {"pool_total_size", "orig_data_size", "compr_data_size", "mem_used_total", "mem_limit", "mem_used_max"}
_KIB = {"pgpgin", "pgpgout"}


class Column(NamedTuple):
    """One counter of a log.

    name    as Linux calls it, and the run
    shown   as the log calls it, if differently
    kind    a counter only grows; a gauge is a level
    unit    "pages", "bytes", "KiB" or "" for a count
    values  one a sample; None where the log does not have it
    """

    name: str
    shown: str
    kind: Kind
    unit: str
    values: Values


class Log(NamedTuple):
    """A whole log.

    times  seconds since the first sample, or None where the log does not say and was not told
    """

    path: str
    format: str
    times: list[float] | None
    columns: list[Column]
    notes: list[str]

    @property
    def samples(self) -> int:
        return len(self.columns[0].values)

    @property
    def seconds(self) -> float | None:
        """From the first sample to the last."""
        return self.times[-1] if self.times else None


def kind_of(name: str) -> Kind:
    """Whether a name of /proc/vmstat, zswap or mm_stat counts or is a level."""
    if name in MM_STAT:
        return "counter" if name in ("pages_compacted", "huge_pages_since") else "gauge"
    if name in ZSWAP_GAUGES or name == "workingset_nodes":
        return "gauge"
    return "gauge" if name.startswith("nr_") and name not in _COUNT else "counter"


def unit_of(name: str) -> str:
    """The unit of a name's values."""
    if name in _BYTES:
        return "bytes"
    if name in _KIB:
        return "KiB"
    return "pages" if name.startswith("nr_") or name.endswith("_pages") or name in ("pswpin", "pswpout") else ""
