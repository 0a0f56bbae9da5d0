"""Speed of a sweep's table: what a run costs the sweep, and how fast a large table opens, filters and exports.

    python benchmarks/table.py [RUNS]        100000 runs by default: 4 swept keys, 130 metrics with half widths

Beside the figures stands the time of a plain loop on the same machine (a million float reprs, which is what CSV is made of).
Files go to a temporary folder (TMPDIR; 1.2 GB for 100000 runs).
"""

from __future__ import annotations

import contextlib
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sim.metrics import METRICS
from sim.table import Table
from sim.table.export import Request, export

KEYS = {
    "backend.kind": ["none", "zcache", "zswap", "zram"],
    "backend.persistent.allocator": ["zbud", "z3fold", "zsmalloc", "xcfmalloc", "xvmalloc"],
    "machine.memory": [f"{size}MiB" for size in range(64, 64 + 8 * 50, 8)],
    "workloads.0.think": [f"{us}us" for us in range(1, 101)],
}
FILTER = "backend.kind = zcache and machine.memory >= 96MiB and not run_time > 5s"
Case = tuple[str, str, str, dict[str, str]]


def metrics() -> list[str]:
    """130 names: those of sim.metrics, then devices and tasks."""
    return [*METRICS, *(f"device.disk{i}.utilisation" for i in range(20)), *(f"task.task{i}.run_time" for i in range(30))][:130]


def cases(runs: int) -> Iterator[Case]:
    """Labels in the order of a grid."""
    for n in range(runs):
        labels, left = {}, n
        for key, values in KEYS.items():
            labels[key] = values[left % len(values)]
            left //= len(values)
        name = ",".join(labels.values()) + f"#{n}"
        yield name, f"{n:012x}", f"benchmark-{name}-{n:012x}", labels


@contextlib.contextmanager
def timed(text: str, count: int = 0) -> Iterator[None]:
    """Prints how long the block took, in all or for each of `count`."""
    start = time.perf_counter()
    yield
    took = time.perf_counter() - start
    print(f"{text:<44} {took:8.2f} s" + (f"  {took / count * 1e3:6.3f} ms a run" if count else ""), flush=True)


def calibration() -> None:
    """A million reprs of random doubles."""
    values = [random.Random(1).random() for _ in range(1000)]
    with timed("calibration: a million reprs of doubles"):
        for _ in range(1000):
            for value in values:
                repr(value)


def fill(path: Path, runs: int) -> None:
    """Plan all runs and finish each in a transaction of its own, as a sweep does; every fourth has no pool to speak of."""
    names, draw = metrics(), random.Random(2)
    took = 0.0
    with Table.create_or_open(path, "benchmark", "0", list(KEYS)) as table:
        with timed(f"plan {runs} runs in one transaction", runs):
            table.plan(cases(runs))
        for n, (name, *_) in enumerate(cases(runs)):
            figures = {m: (10 * draw.random(), draw.random()) for m in names if n % 4 or not m.startswith(("pool", "clean"))}
            start = time.perf_counter()
            table.done(name, 5, 1.0, figures)
            took += time.perf_counter() - start
    print(f"{'done, a transaction each':<44} {took:8.2f} s  {took / runs * 1e3:6.3f} ms a run")
    print(f"{'size':<44} {path.stat().st_size / 2**20:8.0f} MiB", flush=True)


def read(path: Path) -> None:
    """Open, count, filter, sort, export."""
    with timed("open and count statuses"), Table.open(path) as table:
        table.statuses()
    with timed("filter, names only"), Table.open(path) as table:
        hits = sum(1 for _ in table.rows(FILTER, ["case"]))
    with timed(f"the same {hits} runs as rows with all metrics"), Table.open(path) as table:
        sum(1 for _ in table.rows(FILTER))
    with timed("the 10 with the lowest run time"), Table.open(path) as table:
        list(table.rows(order=["run_time"], limit=10))
    parts = {"everything": Request(), "filtered": Request(where=FILTER), "6 columns": Request(columns=[*KEYS, "run_time", "fault_p99"])}
    for suffix in ("csv", "parquet"):
        for name, request in parts.items():
            to = path.with_name(f"out.{suffix}")
            with timed(f"export {suffix}, {name}"):
                export(path, to, request, sys.stdout)
            print(f"{'':<44} {to.stat().st_size / 2**20:8.1f} MiB")
            to.unlink()


def main() -> None:
    """All of it, on a table of RUNS runs."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    calibration()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sweep.sqlite"
        fill(path, runs)
        read(path)


if __name__ == "__main__":
    main()
