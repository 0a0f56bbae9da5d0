"""Operations a second of every allocator, milliseconds of a compaction where there is one, and how long each takes to compile.

    python -m benchmarks.allocators [--compile] [--compact] [TRACE ...]

Without traces: one million operations on about 100,000 live objects of uniform sizes.  Beside the figures stand two calibration
loops (dependent loads from a table of 8 MiB; dependent multiplications), so that figures of two machines, or of a busy and a quiet
one, compare.  The allocators take turns, and the best of a few turns counts.  --compact: what compaction gives back after half of 100,000
objects have gone, how long it takes, and what it copies for a page.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numba import int32, int64, types

from models.allocators.drive import ALLOC, FREE, drive
from models.allocators.pool import OP_COPIED, OP_WALKED, POOL_PAGES, no_compaction
from models.allocators.registry import REGISTRY
from models.jit import compiled
from models.registry import Entry, resolve
from sim.replay import NO_LIMIT, Trace, read_trace, trace_name

REPEATS = 5
REGISTRY_NAMES = [entry.name for entry in REGISTRY]
PIECE = 1 << 15


@compiled(int64(types.Array(int32, 1, "C"), int64))
def chase(table, steps):
    at = int64(0)
    for _ in range(steps):
        at = table[at]
    return at


@compiled(int64(int64))
def multiply(steps):
    value = int64(1)
    for _ in range(steps):
        value = (value ^ (value >> 29)) * 6364136223846793005
    return value


def calibration() -> str:
    """Nanoseconds of a dependent load from 8 MiB, and of a dependent multiplication; the best of a few runs."""
    n = 1 << 21
    order = np.random.default_rng(1).permutation(n).astype(np.int32)
    table = np.empty(n, np.int32)
    table[order] = np.roll(order, -1)
    best = [9e9, 9e9]
    for _ in range(REPEATS):
        for i, work in enumerate((lambda: chase(table, n), lambda: multiply(n))):
            start = time.perf_counter()
            work()
            best[i] = min(best[i], (time.perf_counter() - start) / n * 1e9)
    return f"calibration: {best[0]:.1f} ns a load, {best[1]:.2f} ns a multiplication"


def churn(live: int, operations: int) -> Trace:
    """Fill up to `live` objects, then free a random one and allocate another, sizes uniform in 32..4095."""
    rng = np.random.default_rng(1)
    n = live + operations
    op, ident = np.full(n, ALLOC, np.uint8), np.zeros(n, np.int32)
    op[live::2] = FREE
    slots = np.arange(live)
    ident[:live] = slots
    newest = live
    for i, victim in zip(range(live, n - 1, 2), rng.integers(0, live, operations // 2).tolist(), strict=True):
        ident[i], ident[i + 1] = slots[victim], newest
        slots[victim] = newest
        newest += 1
    return Trace(op, ident, rng.integers(32, 4096, n), newest, newest)


def nanoseconds(trace: Trace, entry: Entry, skip: int) -> float:
    """Nanoseconds an operation; the first `skip` operations are done but not timed."""
    allocator = resolve(entry.target)
    keep = trace.op <= FREE
    op, ident, arg = (np.ascontiguousarray(column[keep]) for column in trace[:3])
    place = none = np.empty((0, 0), np.int64)  # where objects go is not asked
    pool = allocator.create(4096, 2 * trace.allocs + 64, trace.allocs, **entry.preset, may_take=NO_LIMIT).pool
    table = np.zeros((3, trace.identities), np.int32)
    start, done = time.perf_counter(), 0
    for first in range(0, len(op), PIECE):
        if first == skip // PIECE * PIECE:
            start, done = time.perf_counter(), first
        last = min(first + PIECE, len(op))
        drive(pool, allocator.alloc, allocator.free, allocator.blocks, op, ident, arg, first, last, table, place, none)
    return (time.perf_counter() - start) / (len(op) - done) * 1e9


def compile_seconds(module: str) -> float:
    """Import time of a module with an empty cache, less that of what all allocators share."""
    code = "import time; import models.allocators.drive; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "MEMPRESS_CACHE": folder}
        out = subprocess.run(
            [sys.executable, "-c", code.format(module)],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parent.parent,
        )
    return float(out.stdout)


def compaction(entry: Entry, objects: int) -> str | None:
    """What compaction of a pool does, of whose objects (sizes uniform in 32..4070) half are gone; None if the allocator has none."""
    allocator = resolve(entry.target)
    if allocator.compact is no_compaction:
        return None
    arrays = allocator.create(4096, 2 * objects, objects, **entry.preset, may_take=NO_LIMIT)
    rng = np.random.default_rng(1)
    for size in rng.integers(32, 4071, objects).tolist():
        allocator.alloc(arrays.pool, size)
    for handle in rng.permutation(objects)[: objects // 2].tolist():
        allocator.free(arrays.pool, handle)
    before = int(arrays.num[POOL_PAGES])
    start = time.perf_counter()
    pages = allocator.compact(arrays.pool, NO_LIMIT)
    took = (time.perf_counter() - start) * 1e3
    copied, walked = int(arrays.num[OP_COPIED]), int(arrays.num[OP_WALKED])
    each = f"{copied / pages:.0f} bytes copied and {walked / pages:.0f} looked at a page" if pages else "nothing"
    return f"{entry.name:24} {before} pages, {pages} freed ({100 * pages / before:.0f} %), {each}, {took:.1f} ms"


def main() -> None:
    print(calibration())
    traces = [(trace_name(Path(name)), read_trace(Path(name)), 0) for name in sys.argv[1:] if not name.startswith("--")]
    for name, trace, skip in traces or [("churn of 100,000", churn(100_000, 1_000_000), 100_000)]:
        best = dict.fromkeys(REGISTRY_NAMES, 9e9)
        for _ in range(REPEATS):
            for entry in REGISTRY:
                best[entry.name] = min(best[entry.name], nanoseconds(trace, entry, skip))
        for entry_name, cost in best.items():
            print(f"{name:20} {entry_name:24} {cost:6.0f} ns/operation {1000 / cost:6.2f} million/s")
    print(calibration())
    if "--compact" in sys.argv:
        for entry in REGISTRY:
            if (line := compaction(entry, 100_000)) is not None:
                print(f"{'compaction':20} {line}")
    if "--compile" in sys.argv:
        for module in sorted({entry.target.partition(":")[0] for entry in REGISTRY}):
            print(f"compiling {module}: {compile_seconds(module):.1f} s")


if __name__ == "__main__":
    main()
