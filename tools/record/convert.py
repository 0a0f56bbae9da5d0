"""From the files of record.c to a trace and the table of its pages' contents.

    python tools/record/convert.py PREFIX TRACE.mpt TABLE.npz "note"

Run from the project's folder, in its environment (zstandard installed).  What it does is described in docs/recording.md.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numba as nb
import numpy as np

from models.compressors import deflate, lz4, zstd
from models.contents.pages import page_sizes
from models.workloads.readers import mpt

RECENT = 128  # pages of the exact LRU that drops accesses
REFRESH = 1 << 22  # instructions after which a page that stays in it is recorded again
TICK = 16  # instructions
PAGE = 4096
_TIMES = {"compress_time": 0, "decompress_time": 0}
COMPRESSORS = (
    lz4.build(_TIMES),
    zstd.build({"level": 1, **_TIMES}),
    zstd.build({"level": 3, **_TIMES}),
    deflate.build({"level": 6, **_TIMES}),
)


@nb.njit
def recent_pages(instructions, page, write, keep):
    """keep bool[n]: accesses that miss an LRU list of RECENT pages, are the first write there, or come REFRESH after the last kept one."""
    held = np.full(RECENT, -1, np.int64)  # most recent first
    seen = np.zeros(RECENT, np.int64)
    written = np.zeros(RECENT, np.uint8)
    for i in range(len(page)):
        slot = 0
        while slot < RECENT - 1 and held[slot] != page[i]:
            slot += 1
        at, dirty = seen[slot], written[slot]
        if held[slot] != page[i] or instructions[i] - at >= REFRESH:
            keep[i], dirty = True, np.uint8(0)
        elif write[i] and not dirty:
            keep[i] = True
        for k in range(slot, 0, -1):
            held[k], seen[k], written[k] = held[k - 1], seen[k - 1], written[k - 1]
        held[0], written[0] = page[i], dirty | write[i]
        seen[0] = instructions[i] if keep[i] else at


def snapshots(prefix: str) -> list[np.ndarray]:
    """For each moment: structured rows of page number and bytes."""
    row = np.dtype([("page", "<u8"), ("data", f"V{PAGE}")])
    found = []
    while Path(f"{prefix}.{len(found)}.mem").is_file():
        found.append(np.fromfile(f"{prefix}.{len(found)}.mem", row))
    return found


def read_only_file_pages(prefix: str, moments: int, pages: np.ndarray) -> np.ndarray:
    """bool[k]: pages that some moment's map shows inside a file, not writable: program text and constants."""
    inside = np.zeros(len(pages), bool)
    for moment in range(moments):
        for line in Path(f"{prefix}.{moment}.map").read_text().splitlines():
            fields = line.split()
            first, last = (int(x, 16) // PAGE for x in fields[0].split("-"))
            if "w" not in fields[1] and len(fields) > 5:
                inside |= (pages >= first) & (pages < last)
    return inside


def histories(moments: list[np.ndarray], pages: np.ndarray) -> list[list[bytes]]:
    """For each page its different contents in order of time; leading zeros of a page that is filled later are no content."""
    found: list[list[bytes]] = [[] for _ in pages]
    latest: list[bytes] = [b""] * len(pages)
    for rows in moments:
        at = np.searchsorted(pages, rows["page"].astype(np.int64))
        for k, row in zip(at, rows, strict=True):
            if k == len(pages) or pages[k] != row["page"]:
                continue
            data = row["data"].tobytes()
            digest = hashlib.blake2b(data, digest_size=16).digest()
            if digest != latest[k]:
                latest[k] = digest
                found[k].append(data)
    zero = bytes(PAGE)
    for k, contents in enumerate(found):
        while len(contents) > 1 and contents[0] == zero:
            contents.pop(0)
        if not contents and k:
            found[k] = found[k - 1]  # never seen (unmapped again between two moments): as its neighbour
    return found


def table(contents: list[list[bytes]]) -> dict[str, np.ndarray]:
    """For each compressor uint16[versions, pages]."""
    versions = max(len(c) for c in contents)
    columns = {}
    for compressor in COMPRESSORS:
        column = np.zeros((versions, len(contents)), np.uint16)
        for k, c in enumerate(contents):
            sizes = page_sizes(c, compressor)
            column[: len(c), k] = sizes
            column[len(c) :, k] = sizes[-1]
        columns[compressor.column] = np.asfortranarray(column)  # contents of one page side by side: packs much better
    return columns


def main(prefix: str, trace: str, table_file: str, note: str) -> None:
    records = np.fromfile(f"{prefix}.acc", "<u8").reshape(-1, 2)
    instructions, page, write = records[:, 0].astype(np.int64), (records[:, 1] >> 1).astype(np.int64), (records[:, 1] & 1).astype(np.uint8)
    moments = snapshots(prefix)
    pages = np.unique(page)
    number = np.searchsorted(pages, page)
    ever_written = np.bincount(number, weights=write, minlength=len(pages)) > 0
    wanted = ever_written | ~read_only_file_pages(prefix, len(moments), pages)
    print(f"{len(page)} accesses of {len(pages)} pages; {int((~wanted).sum())} read-only file pages left out")
    use = wanted[number]
    instructions, page, write, ever_written, pages = instructions[use], page[use], write[use], ever_written[wanted], pages[wanted]
    keep = np.zeros(len(page), bool)
    recent_pages(instructions, page, write, keep)
    instructions, page, write = instructions[keep], page[keep], write[keep]
    number = np.searchsorted(pages, page)
    contents = histories(moments, pages)
    filled = np.array([c[-1] != bytes(PAGE) for c in contents])
    first = np.unique(number, return_index=True)[1]
    by_kernel = filled & ~ever_written
    write[first[by_kernel]] = 1  # written by the kernel (read(2), arguments), which the recorder cannot see
    columns = table(contents)
    mpt.write(Path(trace), pages, instructions, write, number, tick=TICK, note=note)
    np.savez_compressed(table_file, page=pages, **columns)
    changes = np.array([len(c) for c in contents])
    print(f"kept {len(page)} accesses ({write.mean():.3f} writes) of {len(pages)} pages ({len(pages) * PAGE / 1e6:.1f} MB)")
    print(f"{int(by_kernel.sum())} pages written only by the kernel")
    print(f"{len(moments)} moments; contents a page {changes.mean():.2f}, most {changes.max()}")
    for name, column in columns.items():
        real = column[-1][column[-1] > 0]
        print(f"{name}: mean of the last contents {real.mean():.0f} B, same-filled {np.mean(column[-1] == 0):.4f}")
    print(f"{int(instructions[-1])} instructions to the last access")


if __name__ == "__main__":
    main(*sys.argv[1:])
