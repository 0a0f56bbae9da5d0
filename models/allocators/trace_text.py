"""Allocator traces as text, read and answered in compiled code: one operation a line, about ten million lines a second.

A trace line is `a ID SIZE`, `f ID`, `b ID`, `u ID`, `c`, `r N`, `s`, or `# comment`; an answer line is `a ID PAGE OFF [PAGE OFF]` or
`a ID E[errno]`.
"""

from __future__ import annotations

from numba import int64, types, uint8

from models.allocators.drive import ALLOC, COMPACT, FREE, PIN, RECLAIM, STATISTICS, UNPIN, Ids, Ops, Rows
from models.allocators.pool import Numbers
from models.jit import compiled, inlined

Text = types.Array(uint8, 1, "C", readonly=True)
Buffer = types.Array(uint8, 1, "C")

LARGEST = (1 << 31) - 1  # largest number in a trace
LARGEST_ID = (1 << 28) - 1  # identities index tables of this length
LINE_BYTES = 80  # room for the longest answer line

# what `parse` reports: summary[LINE], summary[START] and summary[STOP] locate the line at fault, counted from 1 and in bytes
FAULT, LINE, START, STOP, ALLOCS, IDENTITIES = range(6)
SUMMARY = 6
FINE, UNKNOWN, MALFORMED, NEGATIVE, TOO_LARGE, OUT_OF_ORDER = range(6)

_NEWLINE, _SPACE, _TAB, _RETURN, _HASH, _MINUS, _ZERO, _NINE = 10, 32, 9, 13, 35, 45, 48, 57
_A, _B, _C, _F, _R, _S, _U = (ord(letter) for letter in "abcfrsu")
_E = ord("E")


@inlined
def _skip_blanks(text, i, stop):
    while i < stop and (text[i] == _SPACE or text[i] == _TAB or text[i] == _RETURN):
        i += 1
    return i


@inlined
def _number(text, i, stop):
    """(number or minus the fault, index behind it) of the blanks and digits from i on."""
    j = _skip_blanks(text, i, stop)
    if j < stop and text[j] == _MINUS:
        return -NEGATIVE, j
    if j in (i, stop):
        return -MALFORMED, j
    value = 0
    while j < stop and _ZERO <= text[j] <= _NINE:
        value = value * 10 + (text[j] - _ZERO)
        if value > LARGEST:
            return -TOO_LARGE, j
        j += 1
    if j < stop and text[j] != _SPACE and text[j] != _TAB and text[j] != _RETURN:
        return -MALFORMED, j
    return value, j


@inlined
def _code(letter):
    """(operation, how many numbers follow); operation 0 for an unknown letter."""
    if letter == _A:
        return ALLOC, 2
    if letter == _F:
        return FREE, 1
    if letter == _B:
        return PIN, 1
    if letter == _U:
        return UNPIN, 1
    if letter == _R:
        return RECLAIM, 1
    if letter == _S:
        return STATISTICS, 0
    if letter == _C:
        return COMPACT, 0
    return 0, 0


@inlined
def _operation(text, i, stop):
    """(operation or minus the fault, first number, second number) of the line from i to stop."""
    code, numbers = _code(text[i])
    if code == 0:
        return -UNKNOWN, int64(0), int64(0)
    i += 1
    one, two = int64(0), int64(0)
    if numbers > 0:
        one, i = _number(text, i, stop)
        if one < 0:
            return one, one, two
    if numbers > 1:
        two, i = _number(text, i, stop)
        if two < 0:
            return two, one, two
    if _skip_blanks(text, i, stop) != stop:
        return -MALFORMED, one, two
    return int64(code), one, two


@compiled(int64(Ops, Ids, Buffer))
def wrong_free(op, ident, state):
    """The first operation that frees what was never allocated before it, or was freed before; -1 if there is none.

    state: uint8[identities], zeros; afterwards 1 = allocated, 2 = freed.
    """
    for n in range(len(op)):
        who = ident[n]
        if op[n] == ALLOC:
            state[who] = 1
        elif op[n] == FREE:
            if who >= len(state) or state[who] != 1:
                return n
            state[who] = 2
    return -1


@compiled(int64(Text, Ops, Ids, Numbers, Numbers))
def parse(text, op, ident, arg, summary):
    """Fill op, ident and arg (room for one a line) from a whole trace; returns the number of operations.

    summary (SUMMARY int64) says how many were allocations, the largest identity of one plus 1, and what is wrong with which line; reading
    stops there.
    """
    n = 0
    line = 0
    newest = -1
    allocs = 0
    start = 0
    end = text.shape[0]
    fault = FINE
    stop = 0
    while start < end:
        stop = start
        while stop < end and text[stop] != _NEWLINE:
            stop += 1
        line += 1
        i = _skip_blanks(text, start, stop)
        if i < stop and text[i] != _HASH:
            code, one, two = _operation(text, i, stop)
            if code < 0:
                fault = -code
                break
            op[n] = code
            if code == RECLAIM:
                arg[n] = one
            else:
                if one > LARGEST_ID:
                    fault = TOO_LARGE
                    break
                ident[n] = one
                arg[n] = two
            if code == ALLOC:
                if one <= newest:
                    fault = OUT_OF_ORDER
                    break
                newest = one
                allocs += 1
            n += 1
        start = stop + 1
    summary[FAULT] = fault
    summary[LINE] = line
    summary[START] = start
    summary[STOP] = stop
    summary[ALLOCS] = allocs
    summary[IDENTITIES] = newest + 1
    return n


@inlined
def _put(out, at, value):
    """Write a number in decimal; returns the index behind it."""
    if value == 0:
        out[at] = _ZERO
        return at + 1
    digits = 0
    rest = value
    while rest > 0:
        rest //= 10
        digits += 1
    i = at + digits
    while value > 0:
        i -= 1
        out[i] = _ZERO + value % 10
        value //= 10
    return at + digits


@compiled(int64(Ops, Ids, int64, int64, Rows, int64, Buffer))
def write_places(op, ident, first, last, place, errno, out):
    """Write the answer line of every ALLOC in first..last-1 (see `drive.drive` for `place`); returns the number of bytes.

    errno: 1 to print the error number of a refused one.  out: at least LINE_BYTES for each row of `place`.
    """
    at = int64(0)
    for i in range(first, last):
        if op[i] != ALLOC:
            continue
        row = place[i - first]
        out[at] = _A
        out[at + 1] = _SPACE
        at = _put(out, at + 2, int64(ident[i]))
        if row[0] < 0:
            out[at] = _SPACE
            out[at + 1] = _E
            at += 2
            if errno:
                at = _put(out, at, -row[0])
        numbers = row[1:]
        if 2 * row[0] > numbers.shape[0]:
            numbers = place.reshape(-1)[row[1] * row.shape[0] :]
        for k in range(2 * row[0]):
            out[at] = _SPACE
            at = _put(out, at + 1, numbers[k] & 0xFFFFFFFF)
        out[at] = _NEWLINE
        at += 1
    return at
