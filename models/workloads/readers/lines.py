"""Text traces in blocks of whole lines: what the lackey, text and CSV readers share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from models.errors import InputError
from models.workloads.readers import scan
from models.workloads.readers.source import BLOCK_BYTES, Block, TraceFile, shown

Scan = Callable[[np.ndarray, int, np.ndarray, np.ndarray, np.ndarray, np.ndarray], int]
LONGEST_LINE = 1 << 16


def blocks_of_lines(path: Path, scanner: Scan, message: Callable[[int, np.ndarray], str], skip: int = 0) -> Iterator[Block]:
    """Blocks of a text trace.

    scanner  called with (buffer, length, state, out time, out write, out place)
    message  what was expected, for an error code and the state
    skip     lines at the start that are no rows (a heading)
    Raises InputError with file:line where a line is wrong, and if there is no access in the whole file.
    """
    state = scan.new_state()
    rest = b""
    rows_in_all = 0
    with TraceFile(path) as file:
        for _ in range(skip):
            rest = _without_first_line(file, rest)
            state[scan.LINE] += 1
        while True:
            data = file.read(BLOCK_BYTES)
            text = rest + data
            if not text:
                break
            end = text.rfind(b"\n") + 1 if data else len(text)
            if len(text) - end > LONGEST_LINE:
                line = int(state[scan.LINE]) + text.count(b"\n") + 1
                raise InputError(f"{path}:{line}: not a text trace: a line of more than {LONGEST_LINE} bytes")
            rest = text[end:]
            block = _scan(path, text[:end], state, scanner, message)
            rows_in_all += len(block[0])
            if len(block[0]):
                yield block
    if not rows_in_all:
        raise InputError(f"{path}: there is no access in this file of {int(state[scan.LINE])} lines")


def _without_first_line(file: TraceFile, rest: bytes) -> bytes:
    text = rest or file.read(LONGEST_LINE)
    return text.partition(b"\n")[2]


def _scan(path: Path, text: bytes, state: np.ndarray, scanner: Scan, message: Callable[[int, np.ndarray], str]) -> Block:
    buffer = np.frombuffer(bytearray(text), np.uint8)
    room = 2 * text.count(b"\n") + 2
    time, write, place = np.empty(room, np.int64), np.empty(room, np.uint8), np.empty(room, np.int64)
    rows = scanner(buffer, len(buffer), state, time, write, place)
    if rows < 0:
        begin = int(state[scan.AT])
        end = text.find(b"\n", begin)
        line = text[begin : end if end >= 0 else len(text)]
        raise InputError(f"{path}:{int(state[scan.LINE])}: {message(-1 - rows, state)}; found {shown(line)}")
    return time[:rows], write[:rows], place[:rows]
