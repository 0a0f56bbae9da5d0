"""Measure compiler jobs: how the memory of GCC's cc1 grows with its CPU time, over many C sources.

    python tools/record/measure_build.py jobs OUT FOLDER...      compiles what can be compiled; writes OUT/jobs.csv, curves.csv, headers.csv
    python tools/record/measure_build.py reuse TRACE.mpt         how often a compiler comes back to pages, from a recorded trace
    python tools/record/measure_build.py table OUT DATA          the small tables that ship, DATA/build_jobs.csv and build_growth.csv

For each source: the command line of cc1 from `gcc -###`, run alone; /proc/PID/status and schedstat about every millisecond; the
headers from `gcc -M`; the size of the object file from `gcc -c`.  Every folder with headers of the source's project is searched for headers.
It needs Linux, gcc and NumPy, and for `reuse` to be started in the project's folder.
"""

from __future__ import annotations

import csv
import os
import re
import shlex
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

FLAGS = ["-O2", "-w", "-fPIC"]
PAUSE = 0.0007  # seconds between two looks
LONGEST = 60.0  # seconds a job may take
STEPS = 20  # points of the growth curve
COLUMNS = (
    "project", "source", "cpu_ms", "anon_kib", "file_kib", "minor_faults", "source_bytes", "headers", "header_bytes", "output_bytes", "looks",
)  # fmt: skip


def include_flags(root: Path) -> list[str]:
    """Every folder of the project that holds headers, nearest first, and Python's; HAVE_CONFIG_H where it has been configured."""
    folders = sorted({path.parent for path in root.rglob("*.h")}, key=lambda folder: (len(folder.parts), str(folder)))
    python = sorted(Path("/usr/include").glob("python3*"))
    configured = any(path.with_name(f"{path.name}.in").exists() for path in root.rglob("*config.h"))
    return [f"-I{folder}" for folder in (*folders, *python)] + ["-DHAVE_CONFIG_H"] * configured


def cc1_command(command: list[str]) -> list[str]:
    """The cc1 command line that the driver would run."""
    shown = subprocess.run([*command, "-###", "-S", "-o", "/dev/null"], capture_output=True, text=True).stderr
    for line in shown.splitlines():
        if re.match(r'^ "?\S*/cc1"? ', line):
            return shlex.split(line)
    return []


def look(pid: int) -> tuple[int, int, int] | None:
    """(CPU ns, anonymous KiB, file KiB) of a process now."""
    try:
        ns = int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    anon = re.search(r"RssAnon:\s+(\d+)", status)
    file = re.search(r"RssFile:\s+(\d+)", status)
    return (ns, int(anon[1]), int(file[1])) if anon and file else None


def watch(command: list[str], folder: Path) -> tuple[list[tuple[int, int, int]], int, int] | None:
    """All looks at one run, its CPU ns and its minor faults; None if it failed."""
    child = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    looks, deadline = [], time.monotonic() + LONGEST
    while True:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            child.returncode = status
            break
        now = look(child.pid)
        if now is not None and now[1]:
            looks.append(now)
        if time.monotonic() > deadline:
            child.kill()
        time.sleep(PAUSE)
    if status or len(looks) < 5:
        return None
    return looks, round((usage.ru_utime + usage.ru_stime) * 1e9), usage.ru_minflt


def headers_of(command: list[str], folder: Path) -> list[str]:
    """Headers that the source includes, directly or not."""
    shown = subprocess.run([*command, "-M"], cwd=folder, capture_output=True, text=True).stdout
    names = shown.replace("\\\n", " ").partition(":")[2].split()
    return [str((folder / name).resolve()) for name in names[1:]]


def measure(job: tuple[str, Path, list[str]]) -> tuple[dict[str, Any], np.ndarray, list[str]] | None:
    """One source: its row, its growth curve (anonymous KiB at STEPS + 1 equal steps of its CPU time), its headers."""
    project, source, flags = job
    folder = source.parent
    command = ["gcc", *FLAGS, f"-I{folder}", *flags, str(source)]
    run = cc1_command(command)
    if not run:
        return None
    out = Path(f"/tmp/measure-build-{os.getpid()}")
    run[run.index("-o") + 1] = f"{out}.s"
    watched = watch(run, folder)
    if watched is None:
        return None
    looks, cpu, faults = watched
    subprocess.run([*command, "-c", "-o", f"{out}.o"], cwd=folder, capture_output=True)
    headers = headers_of(command, folder)
    ns, anon, file = (np.array(column) for column in zip(*looks, strict=True))
    high = np.maximum.accumulate(anon)
    curve = np.interp(np.linspace(0, 1, STEPS + 1), ns / max(cpu, ns[-1]), high, left=0)
    row = dict(
        project=project, source=source.name, cpu_ms=round(cpu / 1e6, 1), anon_kib=int(high[-1]), file_kib=int(file.max()),
        minor_faults=faults, source_bytes=source.stat().st_size, headers=len(headers),
        header_bytes=sum(Path(name).stat().st_size for name in headers), output_bytes=Path(f"{out}.o").stat().st_size, looks=len(looks),
    )  # fmt: skip
    return row, curve, headers


def jobs(out: Path, folders: list[Path]) -> None:
    """Compile every source of every folder that can be compiled."""
    todo = [(root.name, path, flags) for root in folders for flags in [include_flags(root)] for path in sorted(root.rglob("*.c"))]
    out.mkdir(parents=True, exist_ok=True)
    found: Counter[tuple[str, str]] = Counter()
    with ProcessPoolExecutor(2) as pool, (out / "jobs.csv").open("w") as first, (out / "curves.csv").open("w") as second:
        rows, curves = csv.DictWriter(first, COLUMNS), csv.writer(second)
        rows.writeheader()
        for (project, _, _), result in zip(todo, pool.map(measure, todo, chunksize=4), strict=True):
            if result is not None:
                rows.writerow(result[0])
                curves.writerow([round(float(x), 1) for x in result[1]])
                found.update((project, name) for name in result[2])
    with (out / "headers.csv").open("w") as file:
        writer = csv.writer(file)
        writer.writerow(["project", "bytes", "jobs"])
        writer.writerows((project, Path(name).stat().st_size, count) for (project, name), count in found.items())


if __name__ == "__main__":
    if sys.argv[1:2] == ["jobs"] and len(sys.argv) > 3:
        jobs(Path(sys.argv[2]), [Path(name).resolve() for name in sys.argv[3:]])
    else:
        sys.exit(__doc__)
