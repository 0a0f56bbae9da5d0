"""Measure compiler jobs: how the memory of GCC's cc1 grows with its CPU time, over many C sources, and which pages it comes back to.

    python tools/record/measure_build.py jobs OUT FOLDER...            compile what can be compiled: OUT/jobs.csv, curves.csv, headers.csv
    python tools/record/measure_build.py text OUT NAME SOURCE ROOT     pages of cc1's own file in use, by window: OUT/text-NAME.csv
    python tools/record/measure_build.py tables OUT TRACE.mpt DATA     the small tables that ship, in DATA
    python tools/record/measure_build.py alike OUT                     how alike the sizes of neighbours are, by their distance

jobs: for each source, the command line of cc1 from `gcc -###`, run alone; /proc/PID/status and schedstat every millisecond or so; the
headers from `gcc -M`; the size of the object file from `gcc -c`.  Every folder of the project with headers is searched for headers.
text: the same command line under valgrind's lackey, a minute for every 60 million instructions.
It needs Linux, gcc and NumPy, for `text` valgrind, and for `tables` to be started in the project's folder.
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
from statistics import NormalDist
from typing import Any

import numpy as np

FLAGS = ["-O2", "-w", "-fPIC"]
PAUSE = 0.0007  # seconds between two looks
LONGEST = 60.0  # seconds a job may take
STEPS = 20  # points of the growth curve
WINDOW = 10_000_000  # instructions of a window of `text`
PARTS = 64  # equal parts of the recorded run, bits of a mask
FEWEST = 10  # looks at a job for its curve to count
LARGEST_KIB = 100 << 10  # a whole library in one file is not a job like others
COLUMNS = (
    "project", "source", "cpu_ms", "anon_kib", "file_kib", "minor_faults", "source_bytes", "headers", "header_bytes",
    "output_bytes", "looks",
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
    row = {
        "project": project,
        "source": source.name,
        "cpu_ms": round(cpu / 1e6, 1),
        "anon_kib": int(high[-1]),
        "file_kib": int(file.max()),
        "minor_faults": faults,
        "source_bytes": source.stat().st_size,
        "headers": len(headers),
        "header_bytes": sum(Path(name).stat().st_size for name in headers),
        "output_bytes": Path(f"{out}.o").stat().st_size,
        "looks": len(looks),
    }
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


def text(out: Path, name: str, source: Path, root: Path) -> None:
    """In how many windows of WINDOW instructions cc1 used each page of its own file's image (4 KiB); first line: windows."""
    run = cc1_command(["gcc", *FLAGS, *include_flags(root), str(source)])
    run[run.index("-o") + 1] = "/dev/null"
    headers = subprocess.run(["readelf", "-lW", run[0]], capture_output=True, text=True).stdout
    parts = [(int(m[1], 16), int(m[2], 16)) for m in re.finditer(r"LOAD\s+\S+ (0x\S+) \S+ \S+ (0x\S+)", headers)]
    low, high = parts[0][0] >> 12, sum(parts[-1]) >> 12
    log, hits, now, count, windows = out / f"{name}.fifo", Counter[int](), set[int](), 0, 0
    os.mkfifo(log)
    child = subprocess.Popen(
        ["valgrind", "--tool=lackey", "--trace-mem=yes", "--basic-counts=no", f"--log-file={log}", *run], stderr=subprocess.DEVNULL
    )
    with log.open() as lines:
        for line in lines:
            kind = line[:2]
            if kind not in ("I ", " L", " S", " M"):
                continue
            count += kind == "I "
            page = int(line[3:].partition(",")[0], 16) >> 12
            if page <= high:
                now.add(page)
            if count == WINDOW:
                hits.update(now)
                count, windows = 0, windows + 1
                now.clear()
    child.wait()
    log.unlink()
    (out / f"text-{name}.csv").write_text("\n".join(map(str, [windows, *(hits[page] for page in range(low, high + 1))])) + "\n")


def masks(trace: Path) -> tuple[np.ndarray, np.ndarray]:
    """(touched, written) uint64 a page in address order: bit k if in the k-th of PARTS equal parts of the recorded run."""
    sys.path.insert(0, ".")
    from models.workloads.readers.mpt import READER, read_header

    pages, last = int(read_header(trace)["pages"]), 0
    for time_, _, _ in READER.open(trace, {}).blocks():
        last = int(time_[-1])
    touched, written = np.zeros(pages, np.uint64), np.zeros(pages, np.uint64)
    for time_, write, page in READER.open(trace, {}).blocks():
        bit = np.uint64(1) << (time_ * PARTS // (last + 1)).astype(np.uint64)
        np.bitwise_or.at(touched, page, bit)
        np.bitwise_or.at(written, page[write == 1], bit[write == 1])
    return touched, written


def tables(out: Path, trace: Path, data: Path) -> None:
    """The tables that ship: jobs by memory, the median growth curve, masks of pages."""
    with (out / "jobs.csv").open() as file:
        rows = list(csv.DictReader(file))
    with (out / "curves.csv").open() as file:
        curves = np.array([[float(x) for x in row] for row in csv.reader(file)])
    good = [k for k, row in enumerate(rows) if int(row["looks"]) >= FEWEST]
    growth = np.median(curves[good] / curves[good, -1:], axis=0)
    columns = ("anon_kib", "cpu_ms", "source_bytes", "headers", "header_bytes", "output_bytes")
    data.mkdir(exist_ok=True)
    with (data / "build_jobs.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(sorted(([rows[k][name] for name in columns] for k in good), key=lambda row: (int(row[0]), float(row[1]))))
    lines = [f"{k / STEPS:.2f},{value:.4f}" for k, value in enumerate(growth)]
    (data / "build_growth.csv").write_text("\n".join(["cpu,memory", *lines]) + "\n")
    runs = [np.loadtxt(path) for path in sorted(out.glob("text-*.csv"))]
    share = np.mean([run[1:] / run[0] for run in runs], axis=0)
    touched, written = masks(trace)
    np.savez_compressed(data / "build_pages.npz", touched=touched, written=written, text=np.ceil(share * 255).astype(np.uint8))


def alike(out: Path) -> None:
    """Correlation of the normal scores of peak memory of two jobs of one project, by how far apart they are in the order of compiling.

    And the two numbers of `alike` * exp(-distance / `neighbours`) that fit it best up to 30 jobs (beyond, it is two projects only).
    """
    with (out / "jobs.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if int(row["looks"]) >= FEWEST and float(row["anon_kib"]) < LARGEST_KIB]
    size = np.array([float(row["anon_kib"]) for row in rows])
    project = np.array([row["project"] for row in rows])
    score = np.array([NormalDist().inv_cdf((place + 0.5) / len(size)) for place in np.argsort(np.argsort(size))])
    distances, found = np.arange(1, 31), []
    for distance in distances:
        parts = [score[project == name] for name in dict.fromkeys(project.tolist())]
        found.append(np.concatenate([part[:-distance] * part[distance:] for part in parts if len(part) > distance]).mean())
    slope, start = np.polyfit(distances, np.log(found), 1)
    print("\n".join(f"{distance:3d} {value:.2f}" for distance, value in zip(distances, found, strict=True)))
    print(f"alike {np.exp(start):.2f}, neighbours {-1 / slope:.0f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["jobs"] and len(sys.argv) > 3:
        jobs(Path(sys.argv[2]), [Path(name).resolve() for name in sys.argv[3:]])
    elif sys.argv[1:2] == ["text"] and len(sys.argv) == 6:
        text(Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]).resolve(), Path(sys.argv[5]).resolve())
    elif sys.argv[1:2] == ["alike"] and len(sys.argv) == 3:
        alike(Path(sys.argv[2]))
    elif sys.argv[1:2] == ["tables"] and len(sys.argv) == 5:
        tables(*(Path(name) for name in sys.argv[2:]))
    else:
        sys.exit(__doc__)
