"""Speed of the engine, as rates and as ratios to a calibration loop of the same run, so that figures of machines compare.

    python benchmarks/engine.py [hits] [thrash] [reads] [files] [memory]

hits    accesses with at most 1 % faults from a prepared op array; beside it libcachesim's LRU on the same trace, if installed
thrash  every second access faults into the pool of zcache (xcfmalloc), zswap or zram (zsmalloc); kswapd and the task share one vCPU
reads   blocking device reads, one task
files   read() of file pages: all cached; 1 % of them missing, read ahead from a stream; 1 % missing at random places
memory  peak memory above an empty run, per frame and touched page; a VM of 64 GiB
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

import sim
from models.contents.rows import Rows
from models.memory import state as st
from models.vmstat import INDEX
from models.workloads.stream import FREAD, File, Process, Program
from sim.build_files import FilePlan
from sim.machine import make_vm
from sim.plan import plan_of
from sim.vm import Vm

THRASHED: dict[str, Any] = {
    "zcache": {"kind": "zcache", "persistent": {"allocator": "xcfmalloc", "zv_page_count_policy_percent": 150}},
    "zswap": {"kind": "zswap", "max_pool_percent": 60},
    "zswap 6.12": {"kind": "zswap", "max_pool_percent": 60, "version": "6.12"},
    "zram": {"kind": "zram", "disksize": "256MiB"},
}
SWAP = {"devices": {"disk": sim.Device("ssd")}, "swap": sim.Swap(device="disk", size="512MiB")}


@njit
def _chase(links: np.ndarray, steps: int) -> int:
    at = 0
    for _ in range(steps):
        at = links[at]
    return at


def calibration() -> float:
    """Million dependent loads a second from a table of 1 MiB: what this machine gives now."""
    links = np.random.default_rng(1).permutation(1 << 18).astype(np.int32)
    _chase(links, 10)
    best = 1e9
    for _ in range(3):
        start = time.perf_counter()
        _chase(links, 3_000_000)
        best = min(best, time.perf_counter() - start)
    return 3.0 / best


def vm_of(process: Process, memory: str, sizes: np.ndarray, files: tuple[File, ...] = (), **changes: Any) -> Vm:
    """A VM that runs one process; `changes` go into the configuration."""
    workload = sim.Workload(name="w", kind="uniform", size="4KiB", contents={"kind": "distribution"})
    machine = sim.Machine(memory=memory, **changes["machine"])
    config = sim.Config(name="benchmark", workloads=[workload], **{**SWAP, **changes, "machine": machine})
    plan, workloads = plan_of(config, 0, False)
    rows = Rows(sizes.astype(np.int32), 26, "benchmark")
    plan = plan._replace(processes=[plan.processes[0]._replace(process=process, contents=rows)])
    plan = plan._replace(files=(tuple(FilePlan(file, rows, 0) for file in files),))
    workloads = [workloads[0]._replace(program=Program((process,), files))]
    return make_vm(config, plan, workloads)[0]


def process(pages: int, *chunks: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Process:
    """A process from prepared chunks."""
    return Process("benchmark", pages, lambda: iter(chunks), sum(len(chunk[0]) for chunk in chunks))


def chunk(op: np.ndarray, page: np.ndarray, think: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ops with the same computing after each."""
    return op.astype(np.uint8), page.astype(np.int64), np.full(len(op), think, np.uint32)


def timed(vm: Vm) -> float:
    """Seconds to run the VM until its task ends."""
    start = time.perf_counter()
    vm.env.run(until=vm.tasks[0].ended)
    return time.perf_counter() - start


def counter(vm: Vm, name: str) -> int:
    """One of Linux's counters."""
    return int(vm.vmstat[INDEX[name]])


def skewed(pages: int, count: int) -> np.ndarray:
    """Page numbers with a cubic skew."""
    return (np.random.default_rng(5).random(count) ** 3 * pages).astype(np.int64)


def hits(scale: float) -> None:
    """Accesses to 64 Ki pages that all fit."""
    pages, count = 65536, 20_000_000
    page = skewed(pages, count)
    op = (np.random.default_rng(6).random(count) < 0.3).astype(np.uint8)
    best = 1e9
    for _ in range(3):
        vm = vm_of(process(pages, chunk(op, page, 50)), "512MiB", np.array([1000]), machine={})
        best = min(best, timed(vm))
    share = counter(vm, "pgfault") / count
    rate = count / best / 1e6
    print(f"hits    {rate:8.1f} M accesses/s  {100 * share:.2f} % faults        {rate / scale:6.3f} of the calibration")
    _libcachesim(page[:4_000_000], pages, count / best)


def _libcachesim(page: np.ndarray, pages: int, ours: float) -> None:
    try:
        import libcachesim as lcs
    except ImportError:
        print("        libcachesim is not installed (pip install '.[bench]'): no comparison")
        return
    import tempfile

    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        row = np.dtype([("time", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")])
        trace = np.zeros(len(page), row)
        trace["id"], trace["size"], trace["next"] = page + 1, 1, -1
        trace.tofile(file.name)
        best = 1e9
        for _ in range(3):
            reader = lcs.TraceReader(trace=file.name, trace_type=lcs.TraceType.ORACLE_GENERAL_TRACE)
            cache = lcs.LRU(cache_size=pages)
            start = time.perf_counter()
            cache.process_trace(reader)
            best = min(best, time.perf_counter() - start)
    theirs = len(page) / best
    print(f"        libcachesim LRU process_trace {theirs / 1e6:.1f} M requests/s, same trace: ours is {ours / theirs:.1f} times as fast")


def thrash(scale: float) -> None:
    """A loop over more pages than fit, two accesses a page."""
    pages, count = 48_000, 4_000_000
    page = np.repeat(np.arange(count // 2) % pages, 2)
    op = np.tile([1, 0], count // 2)
    sizes = np.random.default_rng(1).integers(300, 1300, 20_000)
    machine = {"cpus": 1, "sysctl": {"vm.watermark_scale_factor": 200, "vm.page-cluster": 0}}
    for name, backend in THRASHED.items():
        best = 1e9
        for _ in range(3):
            settings: dict[str, Any] = {"machine": machine, "backend": backend}
            if name == "zram":
                settings["swap"] = None
            vm = vm_of(process(pages, chunk(op, page, 100)), "128MiB", sizes, **settings)
            best = min(best, timed(vm))
        faults = counter(vm, "pgfault")
        rate = faults / best / 1e6
        share = 100 * faults / count
        print(f"thrash  {rate:8.3f} M faults/s     {share:.0f} % of accesses fault ({name})  {rate / scale:6.4f} of the calibration")


def reads(scale: float) -> None:
    """Clean pages read again and again from the device."""
    pages, count = 40_000, 400_000
    fill = chunk(np.ones(pages), np.arange(pages), 100)
    first = chunk(np.zeros(pages), np.arange(pages), 100)  # after it, what is evicted is clean
    loop = chunk(np.zeros(count), np.arange(count) % pages, 100)
    settings: dict[str, Any] = {"machine": {"cpus": 2, "sysctl": {"vm.page-cluster": 0}}}
    before = timed(vm_of(process(pages, fill, first), "128MiB", np.array([1000]), **settings))
    best = 1e9
    for _ in range(2):
        vm = vm_of(process(pages, fill, first, loop), "128MiB", np.array([1000]), **settings)
        best = min(best, timed(vm))
    done = counter(vm, "pswpin") - pages
    rate = done / (best - before)
    print(f"reads   {rate / 1e3:8.1f} k blocking reads/s  ({done} reads)          {rate / 1e6 / scale:6.4f} of the calibration")


def files(scale: float) -> None:
    """Reads of one page each: 32 MiB of a file stay in memory, what is missing lies behind them."""
    hot, count = 8192, 6_000_000
    rng = np.random.default_rng(7)
    cached = rng.integers(0, hot, count)
    missing = rng.random(count) < 0.01
    n = int(missing.sum())
    stream, places = cached.copy(), cached.copy()
    stream[missing] = hot + np.arange(n)
    places[missing] = hot + 64 * rng.permutation(n)  # far apart: nothing is read ahead
    for name, page in (("all cached", cached), ("1 % streamed", stream), ("1 % at random", places)):
        file = (File("data", int(page.max()) + 1),)
        best = 1e9
        for _ in range(2):
            vm = vm_of(process(1, chunk(np.full(hot, FREAD), np.arange(hot), 100), chunk(np.full(count, FREAD), page, 100)), "96MiB",
                       np.array([1000]), file, machine={"cpus": 1})  # fmt: skip
            best = min(best, timed(vm))
        rate = count / best / 1e6
        read = counter(vm, "pgpgin") / 4 / count
        print(f"files   {rate:8.1f} M accesses/s  {100 * read:.2f} % read ({name:<13})  {rate / scale:6.3f} of the calibration")


def _peak(memory: str, size: int) -> tuple[int, int, int]:
    """Peak KiB of a process that runs a VM with `size` pages touched; frames and touched pages."""
    code = f"import benchmarks.engine as e; e.one_run({memory!r}, {size})"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    return int(out[0]), int(out[1]), int(out[2])


def one_run(memory: str, size: int) -> None:
    """Run a fill and print peak KiB, frames, touched pages."""
    parts = [chunk(np.ones(min(1_000_000, size - at)), np.arange(at, min(at + 1_000_000, size)), 100) for at in range(0, size, 1_000_000)]
    vm = vm_of(process(size, *parts), memory, np.array([1000]), machine={})
    timed(vm)
    status = Path("/proc/self/status").read_text()  # not getrusage: its peak survives fork and exec
    peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    print(peak, int(vm.num[st.FRAMES]), size)


def memory(scale: float) -> None:
    """Peak memory of an empty run, of 1 GiB and of 64 GiB, all touched (the op arrays are part of it)."""
    empty = _peak("64MiB", 16)[0]
    for name, pages in (("1GiB", 250_000), ("64GiB", 16_000_000)):
        peak, frames, touched = _peak(name, pages)
        ops = touched * 13 / 1024
        each = (peak - empty - ops) * 1024 / (frames + touched)
        print(f"memory  {name:>6}: peak {peak / 1024:.0f} MiB, {each:.0f} bytes a frame plus touched page (ops: {ops / 1024:.0f} MiB)")


BENCHMARKS = {"hits": hits, "thrash": thrash, "reads": reads, "files": files, "memory": memory}


def main() -> None:
    """Run the named benchmarks, or all."""
    scale = calibration()
    print(f"calibration: {scale:.1f} M dependent loads/s")
    for name in sys.argv[1:] or BENCHMARKS:
        BENCHMARKS[name](scale)


if __name__ == "__main__":
    main()
