"""Compiled scanners of text traces: bytes in, arrays out, millions of lines a second.

Both take `buffer` uint8[n] of whole lines and a `state` int64 array that lives from block to block, and write rows to the out arrays
(long enough for 2 rows a line).  They return the number of rows, or -1 - code at the first wrong line, whose start is state[AT];
state[ROWS] rows were good before it.
"""

from __future__ import annotations

import numpy as np
from numba import types

from models.jit import compiled

# of state: line number, instructions or latest time, offset of the wrong line, its column, latest time, rows before the wrong line
LINE, CLOCK, AT, COLUMN, LATEST, ROWS = range(6)
STATE = 6

BAD_COLUMNS, BAD_TIME, BAD_OP, BAD_PLACE, BEHIND, BAD_SIZE, BEYOND_64 = range(1, 8)
SKIP, TIME, OP, PLACE, ID, SIZE = range(6)  # roles of columns; an ID is a uint64 in the place of an int64

_LARGEST = 0x7FFF_FFFF_FFFF_FFFF
_LARGEST_64 = 0xFFFF_FFFF_FFFF_FFFF
_TAB, _LF, _CR, _BLANK, _HASH, _PLUS, _COMMA, _MINUS, _DOT, _ZERO, _NINE, _EQUAL = (ord(c) for c in "\t\n\r #+,-.09=")
_A, _F, _I, _L, _M, _R, _S, _W, _X = (ord(c) for c in "afilmrswx")
_LOWER = 32
_VALGRIND_PAGE = 12  # accesses across a 4 KiB boundary count on both sides

int64, uint8 = types.int64, types.uint8
Bytes = types.Array(uint8, 1, "C")
Longs = types.Array(int64, 1, "C")


@compiled(types.UniTuple(int64, 2)(Bytes, int64, int64))
def hexadecimal(buffer, at, end):
    """(value, end of the digits); value -1 if there are none or it is above 2^63 - 1."""
    value, begin = int64(0), at
    while at < end:
        c = int64(buffer[at])
        if _ZERO <= c <= _NINE:
            digit = c - _ZERO
        elif _A <= c | _LOWER <= _F:
            digit = (c | _LOWER) - _A + 10
        else:
            break
        if value > _LARGEST >> 4:
            return int64(-1), at
        value = value << 4 | digit
        at += 1
    return (value if at > begin else int64(-1)), at


@compiled(types.UniTuple(int64, 2)(Bytes, int64, int64))
def decimal(buffer, at, end):
    """(value, end of the digits); value -1 if there are none or it is above 2^63 - 1."""
    value, begin = int64(0), at
    while at < end:
        digit = int64(buffer[at]) - _ZERO
        if digit < 0 or digit > 9:
            break
        if value > (_LARGEST - digit) // 10:
            return int64(-1), at
        value = value * 10 + digit
        at += 1
    return (value if at > begin else int64(-1)), at


@compiled(types.UniTuple(int64, 2)(Bytes, int64, int64))
def unsigned(buffer, at, end):
    """(bits of an uint64, end of the digits); end is -1 if there are none, -2 if it is above 2^64 - 1."""
    value, begin = types.uint64(0), at
    while at < end:
        digit = int64(buffer[at]) - _ZERO
        if digit < 0 or digit > 9:
            break
        if value > (types.uint64(_LARGEST_64) - types.uint64(digit)) // types.uint64(10):
            return int64(0), int64(-2)
        value = value * types.uint64(10) + types.uint64(digit)
        at += 1
    return int64(value), at if at > begin else int64(-1)


@compiled(int64(Bytes, int64, Longs, Longs, Bytes, Longs))
def scan_lackey(buffer, length, state, out_time, out_write, out_place):
    """Rows of lackey's lines; time is the number of instructions so far."""
    at, rows, clock, line = int64(0), int64(0), state[CLOCK], state[LINE]
    while at < length:
        begin = at
        while at < length and buffer[at] != _LF:
            at += 1
        end = at
        at += 1
        line += 1
        state[AT], state[LINE], state[ROWS] = begin, line, rows
        if end > begin and buffer[end - 1] == _CR:
            end -= 1
        first = int64(buffer[begin])
        if end == begin or (end - begin > 1 and first == buffer[begin + 1] and (first == _EQUAL or first == _MINUS)):
            continue  # empty, or valgrind's own ==PID== and --PID-- lines
        kind = int64(buffer[begin + 1]) | _LOWER if end - begin > 5 else int64(0)
        fetch = end - begin > 5 and first | _LOWER == _I and kind == _BLANK
        data = first == _BLANK and (kind == _L or kind == _S or kind == _M)
        if not (fetch or data) or buffer[begin + 2] != _BLANK:
            return int64(-1 - BAD_OP)
        address, next_ = hexadecimal(buffer, begin + 3, end)
        if address < 0 or next_ >= end or buffer[next_] != _COMMA:
            return int64(-1 - BAD_PLACE)
        size, next_ = decimal(buffer, next_ + 1, end)
        if size < 0 or next_ != end or size > 1 << 20 or address > _LARGEST - size:
            return int64(-1 - BAD_PLACE)
        if fetch:
            clock += 1
            state[CLOCK] = clock
            continue
        last = address + max(size, int64(1)) - 1
        out_time[rows], out_write[rows], out_place[rows] = clock, kind != _L, address
        rows += 1
        if address >> _VALGRIND_PAGE != last >> _VALGRIND_PAGE:
            out_time[rows], out_write[rows], out_place[rows] = clock, kind != _L, last
            rows += 1
    return rows


@compiled(types.UniTuple(int64, 2)(Bytes, int64, int64, int64))
def fixed_point(buffer, at, end, unit):
    """(value in ns, end) of a decimal number of units of `unit` ns; digits beyond the ninth after the point are dropped; -1 if wrong."""
    whole, at = decimal(buffer, at, end)
    if whole < 0 or whole > _LARGEST // unit - 1:
        return int64(-1), at
    fraction, weight = int64(0), int64(1)
    if at < end and buffer[at] == _DOT:
        at += 1
        while at < end and _ZERO <= buffer[at] <= _NINE:
            if weight < 1_000_000_000:
                fraction = fraction * 10 + (int64(buffer[at]) - _ZERO)
                weight *= 10
            at += 1
    return whole * unit + fraction * unit // weight, at


@compiled(int64(Bytes, int64, int64))
def operation(buffer, at, end):
    """0 read, 1 write, -1 neither: r, read, l, load, 0; w, write, s, store, m, modify, 1, in either case."""
    c = int64(buffer[at]) | _LOWER if end > at else int64(0)
    if end - at == 1 and (buffer[at] == _ZERO or buffer[at] == _ZERO + 1):
        return int64(buffer[at]) - _ZERO
    if end - at > 6:
        return int64(-1)
    for i in range(at, end):
        if not (97 <= int64(buffer[i]) | _LOWER <= 122):
            return int64(-1)
    if c == _R or c == _L:
        return int64(0)
    return int64(1) if c == _W or c == _S or c == _M else int64(-1)


@compiled(int64(Bytes, int64, int64, Longs, int64, int64, Longs, Longs, Bytes, Longs, Longs))
def scan_rows(buffer, length, separator, roles, unit, backwards, state, out_time, out_write, out_place, out_size):
    """Rows of lines with len(roles) fields; separator 0 is any run of blanks.  Empty lines and lines from # on are passed over.

    unit: ns of one unit of time; backwards: ns that a time may lie below the latest one.
    """
    at, rows, line = int64(0), int64(0), state[LINE]
    while at < length:
        begin = at
        while at < length and buffer[at] != _LF:
            at += 1
        end = at
        at += 1
        line += 1
        state[AT], state[LINE], state[ROWS] = begin, line, rows
        while end > begin and (buffer[end - 1] == _CR or buffer[end - 1] == _BLANK or (buffer[end - 1] == _TAB and separator != _TAB)):
            end -= 1
        p = begin
        while p < end and (buffer[p] == _BLANK or (buffer[p] == _TAB and separator != _TAB)):
            p += 1
        if p == end or buffer[p] == _HASH:
            continue
        time, write, place, size, column = state[LATEST], int64(0), int64(-1), int64(0), int64(0)
        while p <= end:
            while p < end and (buffer[p] == _BLANK or (separator == 0 and buffer[p] == _TAB)):
                p += 1
            stop = p
            while stop < end and (
                (separator != 0 and buffer[stop] != separator) or (separator == 0 and buffer[stop] != _BLANK and buffer[stop] != _TAB)
            ):
                stop += 1
            after = stop
            while stop > p and buffer[stop - 1] == _BLANK:
                stop -= 1
            if column >= len(roles):
                return int64(-1 - BAD_COLUMNS)
            state[COLUMN] = column
            if roles[column] == TIME:
                time, p = fixed_point(buffer, p, stop, unit)
                if time < 0 or p != stop:
                    return int64(-1 - BAD_TIME)
            elif roles[column] == OP:
                write = operation(buffer, p, stop)
                if write < 0:
                    return int64(-1 - BAD_OP)
            elif roles[column] == PLACE:
                if stop - p > 2 and buffer[p] == _ZERO and buffer[p + 1] | _LOWER == _X:
                    place, p = hexadecimal(buffer, p + 2, stop)
                else:
                    place, p = decimal(buffer, p, stop)
                if place < 0 or p != stop:
                    return int64(-1 - BAD_PLACE)
            elif roles[column] == ID:
                place, p = unsigned(buffer, p, stop)
                if p != stop:
                    return int64(-1 - BEYOND_64) if p == -2 else int64(-1 - BAD_PLACE)
            elif roles[column] == SIZE:
                size, p = decimal(buffer, p, stop)
                if size < 0 or p != stop:
                    return int64(-1 - BAD_SIZE)
            column += 1
            p = after + 1
        if column != len(roles):
            return int64(-1 - BAD_COLUMNS)
        if time < state[LATEST]:
            if state[LATEST] - time > backwards:
                return int64(-1 - BEHIND)
            time = state[LATEST]
        state[LATEST] = time
        out_time[rows], out_write[rows], out_place[rows], out_size[rows] = time, write, place, size
        rows += 1
    return rows


def new_state() -> np.ndarray:
    """int64[STATE] for the beginning of a file."""
    return np.zeros(STATE, np.int64)
