"""Lines of /sys/block/zram0 in the kernel's format, from a run's backend counters (drivers/block/zram/zram_drv.c)."""

from __future__ import annotations

from collections.abc import Mapping

MM_STAT = (
    *("orig_data_size", "compr_data_size", "mem_used_total", "mem_limit", "mem_used_max", "same_pages"),
    *("pages_compacted", "huge_pages", "huge_pages_since"),
)
IO_STAT = ("failed_reads", "failed_writes", "invalid_io", "notify_free")
BD_STAT = ("bd_count", "bd_reads", "bd_writes")
DEBUG_STAT = ("writestall", "miss_free")
DEBUG_VERSION = 1


def _line(counters: Mapping[str, int], names: tuple[str, ...]) -> str:
    return " ".join(f"{counters[name]:8d}" for name in names) + "\n"


def mm_stat(counters: Mapping[str, int]) -> str:
    """The line of mm_stat."""
    return _line(counters, MM_STAT)


def io_stat(counters: Mapping[str, int]) -> str:
    """The line of io_stat."""
    return _line(counters, IO_STAT)


def bd_stat(counters: Mapping[str, int]) -> str:
    """The line of bd_stat."""
    return _line(counters, BD_STAT)


def debug_stat(counters: Mapping[str, int]) -> str:
    """Both lines of debug_stat."""
    return f"version: {DEBUG_VERSION}\n" + _line(counters, DEBUG_STAT)
