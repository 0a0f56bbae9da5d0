"""Workload `build`: a program shaped like `make -jN` of a C project.

Process 0 is make; each other process is one compiler job with its own memory, CPU time, source, headers and output, drawn from what was
measured of GCC 12's cc1 (build_tables; docs/build-workload.md); the last one is the linker.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from models.errors import InputError
from models.workloads import build_tables as measured
from models.workloads import draws
from models.workloads.build_job import Job, calls, job_ops, link_ops, make_ops
from models.workloads.program import to_pages
from models.workloads.stream import Area, Context, File, Process, Program, call, file_pages

HEADER_SIZE = 5 << 10  # bytes; measured: 5.2 KiB on average
COMMON = 0.94  # share of the header bytes a job reads that nearly all jobs of its project read (measured)
PARSE_NS_PER_BYTE = 50  # of headers: -fsyntax-only takes 55 to 95 ms for sources with 0.9 to 1.2 MB of headers
MOST_PARSE = 0.9  # share of a job's CPU time
LINK_OWN = 8 << 20  # bytes of ld beside its inputs; measured: `ld -r` of 1.1 MB of objects peaks at 7.9 MB
LARGEST_MEMORY = 1 << 40
_HEADERS = 2  # position of the first header in the program's files
_DRAW, _JOB = 0, 1  # streams of the workload's seed


class _Files(NamedTuple):
    """Positions in the program's files: compiler, makefiles, headers, sources, outputs, image; and the first file page of each."""

    files: list[File]
    first: list[int]
    header: np.ndarray  # int64[n, 2]: first file page and pages of every header
    jobs: int

    def place(self, position: int) -> tuple[int, int]:
        """First file page and pages of a file."""
        return self.first[position], self.files[position].pages

    def source(self, number: int) -> tuple[int, int]:
        return self.place(_HEADERS + len(self.header) + number)

    def output(self, number: int) -> tuple[int, int]:
        return self.place(_HEADERS + len(self.header) + self.jobs + number)


def _files(options: dict[str, Any], rows: np.ndarray, page_size: int) -> _Files:
    def pages(size: float) -> int:
        return max(1, to_pages(round(size), page_size))

    headers = max(1, round(options["headers"] / HEADER_SIZE))
    sources = measured.scaled(rows, measured.SOURCE, options["source_size"])
    outputs = measured.scaled(rows, measured.OUTPUT, options["output_size"])
    files = [
        File("compiler", pages(options["binary"])),
        File("makefiles", pages(options["makefiles"])),
        *(File(f"header.{n}", pages(HEADER_SIZE)) for n in range(headers)),
        *(File(f"source.{n + 1}", pages(size)) for n, size in enumerate(sources)),
        *(File(f"output.{n + 1}", pages(size), 0) for n, size in enumerate(outputs)),
        File("image", pages(outputs.sum()), 0),
    ]
    first = file_pages(files)
    places = np.array([(first[n], files[n].pages) for n in range(_HEADERS, _HEADERS + headers)], np.int64)
    return _Files(files, first, places, len(rows))


def _headers_read(files: _Files, count: int, rng: np.random.Generator) -> np.ndarray:
    """int64[n, 2]: the headers that a job reads: those that all read, then some of the others."""
    headers = len(files.header)
    count = min(count, headers)
    common = round(count * COMMON)
    others = common + rng.choice(headers - common, count - common, replace=False)
    return files.header[np.concatenate((np.arange(common), np.sort(others)))]


def _job(number: int, row: int, options: dict[str, Any], files: _Files, rng: np.random.Generator) -> Job:
    """Job `number` (from 0), made of one row of the measured table."""
    table = measured.tables().jobs
    cpu_ms = table[row, measured.CPU]
    one = np.array([row])
    header_bytes = measured.scaled(one, measured.HEADER_BYTES, options["header_reads"])[0]
    return Job(
        memory=round(measured.scaled(one, measured.ANON, options["mean_peak"])[0]),
        cpu=round(measured.scaled(one, measured.CPU, options["cpu_time"])[0]),
        windows=cpu_ms / measured.WINDOW_MS,
        parse=min(MOST_PARSE, table[row, measured.HEADER_BYTES] * PARSE_NS_PER_BYTE / 1e6 / cpu_ms),
        source=files.source(number),
        headers=_headers_read(files, round(header_bytes / HEADER_SIZE), rng),
        output=files.output(number),
    )


def _compiler(number: int, row: int, options: dict[str, Any], files: _Files, text: np.ndarray, context: Context) -> Process:
    memory = measured.scaled(np.array([row]), measured.ANON, options["mean_peak"])[0]
    pages = measured.pages_of(round(memory), context.page_size)

    def chunks() -> Any:
        rng = np.random.Generator(np.random.PCG64(draws.child(context.seed, _JOB, number)))
        yield from job_ops(_job(number, row, options, files, rng), text, context.page_size, options["step"], rng)

    area = Area(pages, len(text), 0, executable=True)
    return Process(f"job.{number + 1}", pages + len(text), chunks, None, (area,))


def _linker(options: dict[str, Any], files: _Files, context: Context) -> Process:
    inputs = np.array([call(*files.output(n)) for n in range(files.jobs)], np.int64)
    image = len(files.files) - 1
    size = options["link_memory"]
    if size is None:
        size = files.files[image].pages * context.page_size + LINK_OWN
    pages = to_pages(size, context.page_size)
    return Process("link", pages, lambda: link_ops(inputs, pages, calls(*files.place(image)), options["link_time"], options["step"]))


def _make(options: dict[str, Any], files: _Files, context: Context) -> Process:
    pages = to_pages(options["make_memory"], context.page_size)
    tree = calls(*files.place(1))

    def chunks() -> Any:
        yield from make_ops(
            options["jobs"], options["parallel"], pages, tree, options["make_time"], options["spawn_time"], options["step"], options["link"]
        )

    return Process("make", pages, chunks)


def build(options: dict[str, Any], context: Context) -> Program:
    """The program: make, its jobs, the linker, and all their files.  Raises InputError for sizes that make no sense."""
    if options["mean_peak"] * options["jobs"] > LARGEST_MEMORY:
        raise InputError(
            f"workload build: jobs {options['jobs']} of mean_peak {options['mean_peak']} bytes are more than a TiB in all; give fewer"
        )
    rng = np.random.Generator(np.random.PCG64(draws.child(context.seed, _DRAW)))
    rows = measured.draw_rows(options["jobs"], options["alike"], options["neighbours"], rng)
    files = _files(options, rows, context.page_size)
    text = measured.text_share(files.files[0].pages * context.page_size, context.page_size)
    jobs = [_compiler(n, int(row), options, files, text, context) for n, row in enumerate(rows)]
    link = [_linker(options, files, context)] if options["link"] else []
    return Program((_make(options, files, context), *jobs, *link), tuple(files.files))
