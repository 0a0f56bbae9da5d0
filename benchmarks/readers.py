"""Speed of the trace readers and patterns, with a calibration loop beside them so that figures of different machines compare.

    python benchmarks/readers.py [million accesses]

Prints million accesses a second (build, which checks the whole file, and the pass that a run makes, apart).
"""

from __future__ import annotations

import gzip
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from models.workloads import patterns, trace
from models.workloads.readers import mpt, mpt2
from models.workloads.stream import Context
from sim.cachesim.trace import load
from sim.traces.reading import ALL

OPTIONS = {
    "format": "auto",
    "columns": None,
    "time_unit": "ns",
    "think": 100,
    "ns_per_instruction": 0.33,
    "time_scale": 1.0,
    "backwards": 0,
    "repeat": 1,
    "processes": 1,
}
PATTERN = {
    "size": 64 << 20,
    "write_ratio": 0.3,
    "think": 100,
    "fill": False,
    "offset": 0,
    "processes": 1,
    "stride": 1,
    "alpha": 0.9,
    "scatter": True,
    "hot": 0.2,
    "hot_accesses": 0.8,
}


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def calibration() -> float:
    """Million elements a second of a NumPy sort of 2 million: the machine's own speed."""
    values = np.random.default_rng(1).integers(0, 1 << 62, 2_000_000)
    return 2 / seconds(lambda: np.sort(values))


def files(folder: Path, n: int) -> list[Path]:
    """The same random accesses in every format."""
    rng = np.random.default_rng(2)
    page, write, instructions = rng.zipf(1.3, n) % 20_000, rng.integers(0, 2, n), np.cumsum(rng.integers(1, 200, n))
    rows = list(zip(instructions.tolist(), write.tolist(), page.tolist(), strict=True))
    (folder / "trace.csv").write_text("time,op,page\n" + "".join(f"{t},{'rw'[w]},{p}\n" for t, w, p in rows))
    (folder / "trace.txt").write_text("".join(f"{t} {'rw'[w]} {p * 4096 + 8:#x}\n" for t, w, p in rows))
    (folder / "trace.lackey").write_text("".join(f"I  0{p + 4000:x},3\n {'LS'[w]} {p * 4096 + 8:010x},8\n" for _, w, p in rows))
    (folder / "trace.csv.gz").write_bytes(gzip.compress((folder / "trace.csv").read_bytes()))
    pages, index = np.unique(page, return_inverse=True)
    mpt.write(folder / "trace.mpt", pages, instructions, write, index, tick=16)
    with (folder / "trace.2.mpt").open("wb") as file:
        writer = mpt2.Writer(file, 4096, "instructions", mpt2.TIME | mpt2.WRITE)
        writer.add(page.astype(np.uint64), instructions, write, None)
        writer.close()
    return sorted(folder.iterdir())


def loads(path: Path, n: int) -> None:
    """What `mempress cache` does with a trace: ids alone, and with the other columns."""
    load(path, columns=ALL)  # once for compiling
    ids, columns = seconds(lambda: load(path)), seconds(lambda: load(path, columns=ALL))
    print(f"{path.name:14} ids {n / ids / 1e6:6.1f} M/s, with times and writes {n / columns / 1e6:6.1f} M/s")


def main(millions: float) -> None:
    n = int(millions * 1e6)
    print(f"calibration (sort): {calibration():.1f} M/s")
    context = Context(4096, np.random.SeedSequence(1))
    with tempfile.TemporaryDirectory() as name:
        for path in files(Path(name), n):
            trace.build({**OPTIONS, "file": str(path)}, context)  # once for compiling
            made = []
            build = seconds(lambda path=path, made=made: made.append(trace.build({**OPTIONS, "file": str(path)}, context)))
            run = seconds(lambda made=made: sum(len(chunk[0]) for chunk in made[0].processes[0].chunks()))
            print(
                f"{path.name:14} build {n / build / 1e6:6.1f} M/s, run {n / run / 1e6:6.1f} M/s, {path.stat().st_size / n:5.2f} B an access"
            )
        for path in sorted(Path(name).iterdir()):
            loads(path, n)
    for kind in ("loop", "uniform", "zipf", "hotcold"):
        process = getattr(patterns, kind)({**PATTERN, "accesses": n}, context).processes[0]
        print(f"{kind:14} {n / seconds(lambda process=process: sum(len(c[0]) for c in process.chunks())) / 1e6:6.1f} M/s")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
