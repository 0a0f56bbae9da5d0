"""Reference strings as text: one id a line, decimal; the LIRS authors' traces have lines of `*` between phases, which are dropped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numba import int64, types, uint64

from models.cache.readers.source import Keys, Objects, Reader, Stream
from models.errors import InputError
from models.jit import compiled
from models.workloads.readers.source import BLOCK_BYTES, Skipped, TraceFile, first_lines, refuse, shown

Bytes = types.Array(types.uint8, 1, "C", readonly=True)
Longs = types.Array(int64, 1, "C")
LINE, AT, ROWS = 0, 1, 2  # state: lines read, where the wrong one begins, ids before it
WRONG, TOO_LARGE = -1, -2
LONGEST_LINE = 1 << 16
_LARGEST = (1 << 64) - 1
_LF, _CR, _TAB, _BLANK, _STAR, _ZERO = (ord(c) for c in "\n\r\t *0")


@compiled(int64(Bytes, int64, Longs, Keys))
def scan(text, stars, state, ids):
    """Ids of whole lines; gives their number, or WRONG or TOO_LARGE.  stars: lines of one * are dropped."""
    at, n = 0, 0
    while at < len(text):
        state[AT], state[ROWS] = at, n
        state[LINE] += 1
        value, digits, marks, ended = uint64(0), 0, 0, False
        while at < len(text) and text[at] != _LF:
            c = int64(text[at])
            at += 1
            if c == _BLANK or c == _TAB or c == _CR:
                ended = ended or digits + marks > 0
                continue
            digit = c - _ZERO
            if ended or marks or ((digit < 0 or digit > 9) and not (c == _STAR and digits == 0)):
                return int64(WRONG)
            if c == _STAR:
                marks += 1
                continue
            if value > (uint64(_LARGEST) - uint64(digit)) // uint64(10):
                return int64(TOO_LARGE)
            value = value * uint64(10) + uint64(digit)
            digits += 1
        at += 1
        if marks and not stars:
            return int64(WRONG)
        if digits:
            ids[n] = value
            n += 1
    return int64(n)


def _wrong(path: Path, line: bytes, number: int, code: int, stars: bool) -> str:
    if code == TOO_LARGE:
        what = "the id is beyond 2^64 - 1; expected one id a line, below that"
    elif line.strip() == b"*" and not stars:
        what = "expected one id a line, a decimal number; lines of * belong to --format lirs"
    else:
        what = "expected one id a line, a decimal number from 0 to 2^64 - 1"
    return f"{path}:{number}: {what}; found {shown(line)}"


def _scan(path: Path, text: bytes, stars: bool, state: np.ndarray, skipped: Skipped | None) -> np.ndarray:
    """The ids of whole lines."""
    ids, buffer = np.empty(text.count(b"\n") + 1, np.uint64), np.frombuffer(text, np.uint8)
    begin, n = 0, 0
    while begin < len(text):
        found = int(scan(buffer[begin:], stars, state, ids[n:]))
        if found >= 0:
            return ids[: n + found]
        begin += int(state[AT])
        end = text.find(b"\n", begin)
        line = text[begin : end if end >= 0 else len(text)]
        refuse(skipped, _wrong(path, line, int(state[LINE]), found, stars))
        n += int(state[ROWS])
        begin += len(line) + 1
    return ids[:n]


def _blocks(path: Path, stars: bool, skipped: Skipped | None) -> Iterator[Objects]:
    state, rest = np.zeros(3, np.int64), b""
    with TraceFile(path) as file:
        while True:
            data = file.read(BLOCK_BYTES)
            text = rest + data
            if not text:
                return
            end = text.rfind(b"\n") + 1 if data else len(text)
            rest = text[end:]
            if len(rest) > LONGEST_LINE:
                line = int(state[LINE]) + text.count(b"\n") + 1
                raise InputError(f"{path}:{line}: not a text trace: a line of more than {LONGEST_LINE} bytes; expected one id a line")
            yield Objects(_scan(path, text[:end], stars, state, skipped))


def _sniff(head: bytes) -> bool:
    """Text whose first line could be meant as an id: what is wrong with it is told with its line."""
    lines = [line.strip() for line in first_lines(head) if line.strip()]
    printable = not re.search(rb"[^\t\n\r -~]", head)
    return printable and bool(lines) and re.fullmatch(r"[0-9+-]+|\*", lines[0]) is not None


def _open(path: Path, options: dict[str, Any], stars: bool) -> Stream:
    return Stream(frozenset(), lambda: _blocks(path, stars, options.get("skipped")))


TEXT = Reader(_sniff, partial(_open, stars=False))
LIRS = Reader(_sniff, partial(_open, stars=True))
