"""Programs put together from others: one set of files, one address space.

Files of the same name in different parts are one file: one part reads what another wrote, and device 0 of two traces is one device.
It is as large as the largest part says; the first part that names it says what is on the device at the start.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from models.errors import InputError
from models.workloads.stream import ADVISE, COUNT_SHIFT, DELETE, FREAD, FSYNC, FWRITE, Area, Chunk, File, Process, file_pages

_FILE_OP = np.zeros(256, bool)
_FILE_OP[[FREAD, FWRITE, FSYNC, DELETE, ADVISE]] = True
_FILE_PAGE = (1 << COUNT_SHIFT) - 1
MOST_PAGES = (1 << 31) - 1  # page numbers of a machine are int32


class Files:
    """The files of a program, collected part by part."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.files: list[File] = []

    def add(self, files: Sequence[File], owner: str = "") -> list[int]:
        """Positions of one part's files among all; `owner` is put behind their names, so that they are not shared."""
        positions: list[int] = []
        for file in files:
            name = file.name + owner
            while name in self.numbers and self.numbers[name] in positions:
                name += "'"  # two files of one part are two
            number = self.numbers.setdefault(name, len(self.files))
            if number == len(self.files):
                self.files.append(file._replace(name=name))
            known = self.files[number]
            self.files[number] = known._replace(pages=max(known.pages, file.pages))
            positions.append(number)
        return positions

    def made(self, owner: str) -> tuple[File, ...]:
        """All files.  Raises InputError if they are too large together."""
        if (pages := file_pages(self.files)[-1]) > MOST_PAGES:
            raise InputError(f"workload {owner}: the files of its parts have {pages} pages together; {MOST_PAGES} can be simulated")
        return tuple(self.files)


def moved(process: Process, own: Sequence[File], positions: Sequence[int], files: Sequence[File]) -> Process:
    """A process of a program with the files `own` as one of a program with `files`; positions says where each of its own is."""
    if not own:
        return process
    old = np.array(file_pages(own)[:-1], np.int64)
    shift = np.array(file_pages(files)[:-1], np.int64)[list(positions)] - old
    areas = tuple(area._replace(file=positions[area.file]) for area in process.areas)

    def chunks() -> Iterator[Chunk]:
        for op, page, cpu in process.chunks():
            at = np.flatnonzero(_FILE_OP[op] & (page >= 0))  # a negative page is every file
            if len(at):
                page = page.copy()
                page[at] += shift[np.searchsorted(old, page[at] & _FILE_PAGE, side="right") - 1]
            yield op, page, cpu

    return process._replace(chunks=chunks if shift.any() else process.chunks, areas=areas)


def one_address_space(owner: str, parts: Sequence[Process], first: Sequence[int]) -> tuple[Area, ...]:
    """The mappings of all parts in ascending order.

    first: the first page that each part uses.  Raises InputError where a mapping would lie over another or over a part's memory.
    """
    areas = sorted({area for part in parts for area in part.areas})
    for low, high in pairwise(areas):
        if low.first + low.pages > high.first:
            raise InputError(f"workload {owner}: two of its parts map files at page {high.first}: give one of them another offset")
    for number, part in enumerate(parts):
        for area in set(areas) - set(part.areas):
            if part.pages > 1 and area.first < part.pages and first[number] < area.first + area.pages:
                raise InputError(
                    f"workload {owner}: part {number + 1} uses pages {first[number]} to {part.pages - 1}, where another part maps a file "
                    f"(from page {area.first} on): give one of them another offset"
                )
    return tuple(areas)
