"""What a sweep costs above its simulations, and how it scales.

    python benchmarks/sweeps.py [RUNS]        200 by default, about a quarter of a second each

- overhead: wall time of the sweep with one worker, less the time inside the simulations, for each run
- scaling: the sweep with one and with two workers, against the same runs in one and in two independent processes; ratios of one benchmark
- worker: memory at most, and seconds from starting one (spawned, warm caches) to its first answer
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sim
from sim import workers
from sim.run import execute


def sweep(runs: int) -> Any:
    """A small VM under pressure, with so many sizes of its working set."""
    return sim.prepare(
        sim.Config(
            name="bench",
            replications=1,
            machine=sim.Machine(memory="40MiB", cpus=1),
            devices={"disk": sim.Device("ssd")},
            swap=sim.Swap(device="disk", size="256MiB"),
            backend=sim.Backend("zcache", persistent={"allocator": "xcfmalloc"}),
            workloads=[
                sim.Workload(name="w", kind="zipf", size="48MiB", accesses=700_000, contents={"kind": "measured", "table": "redis_json"})
            ],
            sweep=sim.Sweep(grid={"workloads.w.size": [f"{(44 << 10) + 4 * k}KiB" for k in range(runs)]}),
        )
    )


def timed(loaded: Any, jobs: int) -> tuple[float, float, float]:
    """Seconds of the whole sweep, inside simulations, and of its report, into an empty folder."""
    out = Path(tempfile.mkdtemp(prefix="mempress-bench-"))
    try:
        start = time.perf_counter()
        outcome = execute(loaded, out, jobs=jobs, report=False)
        took = time.perf_counter() - start
        inside = sum(read_json_plain(folder / "provenance.json")["worker_seconds"] for folder in outcome.folders)
        start = time.perf_counter()
        from sim.report import write_report

        write_report(outcome.folder)
        return took, inside, time.perf_counter() - start
    finally:
        shutil.rmtree(out)


def read_json_plain(path: Path) -> dict[str, Any]:
    """A JSON file without a schema."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def alone(cases: Sequence[Any]) -> None:
    """The same simulations without any sweep around them."""
    from sim.machine import simulate

    for case in cases:
        simulate(case.config, 0)


def independent(loaded: Any, processes: int) -> float:
    """Seconds that so many processes take that know nothing of each other; the runs are dealt out in turn."""
    context = multiprocessing.get_context("fork")
    started = [context.Process(target=alone, args=(loaded.cases[k::processes],)) for k in range(processes)]
    start = time.perf_counter()
    for process in started:
        process.start()
    for process in started:
        process.join()
    return time.perf_counter() - start


def compile_all() -> int:
    """What a spawned worker does first."""
    from sim import machine

    return len(machine.__name__)


def start_of_a_worker(method: str) -> float:
    """Seconds from starting a worker to its first answer."""
    real, workers.start_method = workers.start_method, lambda: method
    try:
        start = time.perf_counter()
        with workers.Pool(1) as pool:
            pool.submit(compile_all).result()
            return time.perf_counter() - start
    finally:
        workers.start_method = real


def main() -> None:
    """Print all figures."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    loaded = sweep(runs)
    alone(loaded.cases[:2])  # compiled
    print(f"start of a spawned worker, warm caches         {start_of_a_worker('spawn'):8.2f} s")
    print(f"start of a forked worker                       {start_of_a_worker('fork'):8.2f} s")
    two, _, report = timed(loaded, 2)
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    one, inside, _ = timed(loaded, 1)
    one_process, two_processes = independent(loaded, 1), independent(loaded, 2)
    print(f"{runs} runs, one worker                          {one:8.2f} s, of which simulations {inside:.2f} s")
    print(f"overhead of a run                              {1e3 * (one - inside) / runs:8.2f} ms (the report: {report:.1f} s once)")
    print(f"independent processes, 1 and 2     {one_process:8.2f} s {two_processes:8.2f} s, {one_process / two_processes:.3f} times")
    print(f"sweep with 1 and 2 workers                     {one:8.2f} s {two:8.2f} s, {one / two:.3f} times")
    print(f"of the scaling that independent processes have {100 * (one / two) / (one_process / two_processes):8.1f} %")
    print(f"memory of a worker at most                     {memory:8.0f} MB")


if __name__ == "__main__":
    main()
