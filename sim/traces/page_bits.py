"""Which pages of a process were written or used since the last look, by the bits that Linux keeps.

Linux documentation: admin-guide/mm/soft-dirty.rst, pagemap.rst, idle_page_tracking.rst.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sim.errors import UserError

_SOFT_DIRTY, _SWAPPED, _PRESENT = (np.uint64(1) << np.uint64(bit) for bit in (55, 62, 63))
_PFN = (np.uint64(1) << np.uint64(55)) - np.uint64(1)
_CLEAR_SOFT_DIRTY = "4"
_PAGE_BITS = mmap.PAGESIZE.bit_length() - 1
_AT_ONCE = 1 << 18  # pages of one read of pagemap
_OWN = ("[vvar]", "[vdso]", "[vsyscall]", "[vvar_vclock]")


def _mappings(folder: Path) -> Iterator[tuple[int, int]]:
    """(first page, pages) of a process's mappings."""
    for line in (folder / "maps").read_text(errors="replace").splitlines():
        fields = line.split(maxsplit=5)
        begin, end = (int(part, 16) >> _PAGE_BITS for part in fields[0].split("-"))
        if len(fields) < 6 or fields[5] not in _OWN:
            yield begin, end - begin


def _pagemap(folder: Path) -> Iterator[tuple[int, np.ndarray]]:
    """(first page, uint64[n] of pagemap) of a process's mappings."""
    with (folder / "pagemap").open("rb", buffering=0) as file:
        for begin, pages in _mappings(folder):
            for first in range(begin, begin + pages, _AT_ONCE):
                data = os.pread(file.fileno(), 8 * min(_AT_ONCE, begin + pages - first), 8 * first)
                yield first, np.frombuffer(data, "<u8", len(data) // 8)


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)


class SoftDirty:
    """Pages written since the last look."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self.proc = proc

    def probe(self) -> None:
        """UserError if this machine does not keep the bit: a page of our own is tried."""
        try:
            with mmap.mmap(-1, 64 * mmap.PAGESIZE) as pages:
                pages[0] = 1
                self.clear(os.getpid())
                before = len(self.found(os.getpid(), clear=False))
                for at in range(0, len(pages), mmap.PAGESIZE):
                    pages[at] = 2
                works = len(self.found(os.getpid(), clear=False)) >= before + 32
        except OSError:
            works = False
        if not works:
            raise UserError(
                "--how soft-dirty: this machine's kernel does not keep soft-dirty bits (CONFIG_MEM_SOFT_DIRTY), or does not show them; "
                "--how lackey works wherever valgrind does"
            )

    def clear(self, pid: int) -> None:
        (self.proc / str(pid) / "clear_refs").write_text(_CLEAR_SOFT_DIRTY)

    def found(self, pid: int, clear: bool = True) -> np.ndarray:
        """uint64[n]: page numbers, ascending."""
        parts = []
        for first, entries in _pagemap(self.proc / str(pid)):
            there = ((entries & _SOFT_DIRTY) != 0) & ((entries & (_PRESENT | _SWAPPED)) != 0)
            parts.append(np.flatnonzero(there).astype(np.uint64) + np.uint64(first))
        if clear:
            self.clear(pid)
        return _joined(parts)


class IdleBits:
    """Pages used since the last look; needs root, since it goes by page frames."""

    def __init__(self, proc: Path = Path("/proc"), bitmap: Path = Path("/sys/kernel/mm/page_idle/bitmap")) -> None:
        self.proc, self.bitmap = proc, bitmap

    def probe(self) -> None:
        """UserError if this machine does not have idle page tracking, or does not let us use it."""
        if not self.bitmap.exists():
            raise UserError(
                f"--how idle: this machine's kernel has no idle page tracking (CONFIG_IDLE_PAGE_TRACKING: there is no {self.bitmap}); "
                "--how lackey works wherever valgrind does"
            )
        if not os.access(self.bitmap, os.R_OK | os.W_OK):
            raise UserError(f"--how idle: {self.bitmap} cannot be read and written; it needs root")

    def clear(self, pid: int) -> None:
        """Mark all frames of a process idle."""
        self._mark(_joined([frames for _, frames in self._frames(pid)]))

    def found(self, pid: int) -> np.ndarray:
        """uint64[n]: page numbers, ascending, whose frames are not idle any more; and marks them idle again."""
        used, marked = [], []
        with self.bitmap.open("rb", buffering=0) as file:
            for pages, frames in self._frames(pid):
                words, of = np.unique(frames >> np.uint64(6), return_inverse=True)
                idle = np.frombuffer(b"".join(self._read(file.fileno(), words)), "<u8")[of] >> (frames & np.uint64(63)) & np.uint64(1)
                used.append(pages[idle == 0])
                marked.append(frames[idle == 0])
        self._mark(_joined(marked))
        return _joined(used)

    def _frames(self, pid: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(pages, their frames) of what is in memory."""
        for first, entries in _pagemap(self.proc / str(pid)):
            at = np.flatnonzero(((entries & _PRESENT) != 0) & ((entries & _PFN) != 0))
            if len(at):
                yield at.astype(np.uint64) + np.uint64(first), entries[at] & _PFN

    @staticmethod
    def _read(file: int, words: np.ndarray) -> Iterator[bytes]:
        """64-bit words of the bitmap, runs of them at once."""
        for run in np.split(words, np.flatnonzero(np.diff(words) != 1) + 1):
            data = os.pread(file, 8 * len(run), 8 * int(run[0]))
            yield data + bytes(8 * len(run) - len(data))

    def _mark(self, frames: np.ndarray) -> None:
        """Set the bits of these frames; a 0 that is written changes nothing."""
        if not len(frames):
            return
        words, of = np.unique(frames >> np.uint64(6), return_inverse=True)
        bits = np.zeros(len(words), np.uint64)
        np.bitwise_or.at(bits, of, np.uint64(1) << (frames & np.uint64(63)))
        runs = np.flatnonzero(np.diff(words) != 1) + 1
        with self.bitmap.open("r+b", buffering=0) as file:
            for run, value in zip(np.split(words, runs), np.split(bits, runs), strict=True):
                os.pwrite(file.fileno(), value.astype("<u8").tobytes(), 8 * int(run[0]))
