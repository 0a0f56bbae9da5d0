"""Speed of `mempress cache` against libcachesim's wheel, on the same trace, in the same process, one thread each.

    python benchmarks/cache.py [million accesses]

dense  ids that are numbered already, as the policies take them; libcachesim reads the same ids from an oracleGeneral file
raw    from that file, reading and numbering included, for both
curve  LRU's whole curve in one pass
Prints million accesses a second and ratios; the misses of both are compared first (pip install '.[bench]').
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from models.cache.mattson import distances
from sim.cachesim.policies import choices
from sim.cachesim.study import count
from sim.cachesim.trace import Trace, load

POLICIES = ("LRU", "FIFO", "Clock", "Sieve", "S3FIFO", "ARC")
RECORD = np.dtype([("time", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")])


def made(millions: float) -> np.ndarray:
    """Zipf 0.9 over a tenth as many pages, ids as large as block numbers."""
    rng = np.random.default_rng(11)
    n = int(millions * 1e6)
    weights = 1 / np.arange(1, n // 10 + 1) ** 0.9
    return rng.permutation(n // 10)[np.searchsorted(np.cumsum(weights / weights.sum()), rng.random(n))] + 1


def write(path: Path, ids: np.ndarray) -> None:
    records = np.zeros(len(ids), RECORD)
    records["time"], records["id"], records["size"], records["next"] = np.arange(len(ids)), ids, 1, -1
    records.tofile(path)


def seconds(work: Callable[[], object]) -> float:
    """The faster of two."""
    took = []
    for _ in range(2):
        start = time.perf_counter()
        work()
        took.append(time.perf_counter() - start)
    return min(took)


def theirs(path: Path, policy: str, pages: int) -> tuple[float, int]:
    """Seconds and misses of libcachesim, which cannot do without reading."""
    import libcachesim as lcs

    misses = 0

    def work() -> None:
        nonlocal misses
        reader = lcs.TraceReader(trace=str(path), trace_type=lcs.TraceType.ORACLE_GENERAL_TRACE)
        ratio, _ = getattr(lcs, policy)(cache_size=pages).process_trace(reader)
        misses = round(ratio * reader.get_num_of_req())

    return seconds(work), misses


def compare(policy: str, trace: Trace, path: Path, pages: int) -> None:
    choice = choices(policy)
    found = count(choice[0], trace, [pages], 1)[0]
    n = len(trace.ids) / 1e6
    dense = seconds(lambda: count(choice[0], trace, [pages], 1))
    raw = seconds(lambda: count(choice[0], load(path), [pages], 1))
    line = f"{policy:8} dense {n / dense:7.1f}  raw {n / raw:6.1f} M accesses/s"
    try:
        other, misses = theirs(path, policy, pages)
    except ImportError:
        print(line + "  (libcachesim is not installed)")
        return
    same = "same misses" if misses == found else f"MISSES DIFFER: {found}, libcachesim {misses}"
    print(f"{line}  libcachesim {n / other:5.1f}  dense x {other / dense:5.1f}  raw x {other / raw:5.1f}  {same}")


def main() -> None:
    millions = float(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.oracleGeneral"
        write(path, made(millions))
        trace = load(path)
        pages = trace.distinct // 10
        print(f"{len(trace.ids)} accesses, {trace.distinct} distinct pages, caches of {pages}")
        for policy in POLICIES:
            compare(policy, trace, path, pages)
        distances(trace.ids[:100], trace.distinct)
        took = seconds(lambda: distances(trace.ids, trace.distinct))
        print(f"curve    {len(trace.ids) / 1e6 / took:7.1f} M accesses/s, {took:.2f} s")


if __name__ == "__main__":
    main()
