"""Text traces in blocks of whole lines: what the lackey, text and CSV readers share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from models.errors import InputError
from models.workloads.readers import scan
from models.workloads.readers.source import BLOCK_BYTES, LONGEST_LINE, Block, Skipped, TraceFile, refuse, shown

Scan = Callable[[np.ndarray, int, np.ndarray, np.ndarray, np.ndarray, np.ndarray], int]


def blocks_of_lines(
    path: Path, scanner: Scan, message: Callable[[int, np.ndarray], str], skip: int = 0, skipped: Skipped | None = None
) -> Iterator[Block]:
    """Blocks of a text trace.

    scanner  called with (buffer, length, state, out time, out write, out place)
    message  what was expected, for an error code and the state
    skip     lines at the start that are no rows (a heading)
    skipped  where wrong lines are counted; without it they raise InputError with file:line
    Raises InputError if there is no access in the whole file.
    """
    with TraceFile(path) as file:
        yield from blocks_of_text(path, file.read, scanner, message, skip, skipped)


def blocks_of_text(
    name: Path | str,
    read: Callable[[int], bytes],
    scanner: Scan,
    message: Callable[[int, np.ndarray], str],
    skip: int = 0,
    skipped: Skipped | None = None,
) -> Iterator[Block]:
    """The same from read(size), which gives b"" at the end only."""
    state = scan.new_state()
    rest = b""
    rows_in_all = 0
    for _ in range(skip):
        rest = (rest or read(LONGEST_LINE)).partition(b"\n")[2]
        state[scan.LINE] += 1
    while True:
        data = read(BLOCK_BYTES)
        text = rest + data
        if not text:
            break
        end = text.rfind(b"\n") + 1 if data else len(text)
        if len(text) - end > LONGEST_LINE:
            line = int(state[scan.LINE]) + text.count(b"\n") + 1
            raise InputError(f"{name}:{line}: not a text trace: a line of more than {LONGEST_LINE} bytes")
        rest = text[end:]
        block = _scan(name, text[:end], state, scanner, message, skipped)
        rows_in_all += len(block[0])
        if len(block[0]):
            yield block
    if not rows_in_all:
        raise InputError(f"{name}: there is no access in this file of {int(state[scan.LINE])} lines")


def _scan(
    name: Path | str,
    text: bytes,
    state: np.ndarray,
    scanner: Scan,
    message: Callable[[int, np.ndarray], str],
    skipped: Skipped | None,
) -> Block:
    buffer = np.frombuffer(bytearray(text), np.uint8)
    room = 2 * text.count(b"\n") + 2
    time, write, place = np.empty(room, np.int64), np.empty(room, np.uint8), np.empty(room, np.int64)
    begin, rows = 0, 0
    while begin < len(buffer):
        found = scanner(buffer[begin:], len(buffer) - begin, state, time[rows:], write[rows:], place[rows:])
        if found >= 0:
            rows += found
            break
        wrong = begin + int(state[scan.AT])
        end = text.find(b"\n", wrong)
        line = text[wrong : end if end >= 0 else len(text)]
        refuse(skipped, f"{name}:{int(state[scan.LINE])}: {message(-1 - found, state)}; found {shown(line)}")
        rows += int(state[scan.ROWS])
        begin = wrong + len(line) + 1
    return time[:rows], write[:rows], place[:rows]
