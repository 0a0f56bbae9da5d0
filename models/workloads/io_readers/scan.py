"""Compiled scanner of block I/O traces: rows of text in, arrays of requests out, millions of lines a second."""

from __future__ import annotations

from numba import types

from models.jit import compiled
from models.workloads.io_readers.source import LARGEST_REQUEST, MINOR_BITS
from models.workloads.readers.scan import AT, COLUMN, LATEST, LINE, ROWS, Bytes, Longs, decimal, fixed_point, operation

SKIP, TIME, OP, DEVICE, SECTOR, OFFSET, SECTORS, BYTES, TICKS = range(9)  # roles of columns; TICKS are whole, and count from rules[ORIGIN]
BAD_COLUMNS, BAD_TIME, BAD_OP, BAD_DEVICE, BAD_PLACE, BAD_LENGTH, BEHIND, BEYOND = range(1, 9)

# rules: separator (0 is any run of blanks), ns in a unit of time, ns that time may fall, bytes of a sector, of a device, whether 0 is a
# write, first tick
SEPARATOR, UNIT, BACKWARDS, SECTOR_SIZE, LIMIT, ZERO_IS_WRITE, ORIGIN, RULES = range(8)

_TAB, _LF, _CR, _BLANK, _HASH, _COMMA, _COLON, _ZERO, _ONE = (ord(c) for c in "\t\n\r #,:01")
_LARGEST = (1 << 62) - 1
_MOST_DEVICES = 1 << MINOR_BITS
_MOST_MAJORS = 1 << 12

boolean, int64, uint8 = types.boolean, types.int64, types.uint8


@compiled(boolean(uint8, int64))
def _is_blank(c, separator):
    """Whether a character is room around a field."""
    return c == _BLANK or c == _CR or (c == _TAB and separator != _TAB)


@compiled(int64(Bytes, int64, int64))
def _device(buffer, at, end):
    """A number below 2^20, or major:minor (or major,minor) as one number; -1 if it is neither."""
    number, at = decimal(buffer, at, end)
    if number < 0 or number >= _MOST_DEVICES:
        return int64(-1)
    if at < end and (buffer[at] == _COLON or buffer[at] == _COMMA):
        minor, at = decimal(buffer, at + 1, end)
        if number >= _MOST_MAJORS or minor < 0 or minor >= _MOST_DEVICES:
            return int64(-1)
        number = number << MINOR_BITS | minor
    return number if at == end else int64(-1)


@compiled(int64(Bytes, int64, int64, int64))
def _direction(buffer, at, end, zero_is_write):
    """0 read, 1 write, -1 neither."""
    if zero_is_write == 0:
        return operation(buffer, at, end)
    if end - at != 1 or (buffer[at] != _ZERO and buffer[at] != _ONE):
        return int64(-1)
    return int64(1) if buffer[at] == _ZERO else int64(0)


@compiled(int64(Bytes, int64, int64, int64, Longs, Longs))
def _field(buffer, at, end, role, rules, row):
    """Puts the value of a field at row[role]; an error code if it is none, else 0."""
    if role == TIME:
        row[TIME], at = fixed_point(buffer, at, end, rules[UNIT])
        return int64(BAD_TIME) if row[TIME] < 0 or at != end else int64(0)
    if role == TICKS:
        ticks, at = decimal(buffer, at, end)
        if ticks < 0 or at != end or abs(ticks - rules[ORIGIN]) > _LARGEST // rules[UNIT]:
            return int64(BAD_TIME)
        row[TIME] = (ticks - rules[ORIGIN]) * rules[UNIT]
        return int64(0)
    if role == OP:
        row[OP] = _direction(buffer, at, end, rules[ZERO_IS_WRITE])
        return int64(BAD_OP) if row[OP] < 0 else int64(0)
    if role == DEVICE:
        row[DEVICE] = _device(buffer, at, end)
        return int64(BAD_DEVICE) if row[DEVICE] < 0 else int64(0)
    if role == SKIP:
        return int64(0)
    value, at = decimal(buffer, at, end)
    row[role] = value
    if role == SECTOR or role == OFFSET:
        return int64(BAD_PLACE) if value < 0 or at != end else int64(0)
    most = LARGEST_REQUEST if role == BYTES else LARGEST_REQUEST // rules[SECTOR_SIZE]
    return int64(BAD_LENGTH) if value < 1 or value > most or at != end else int64(0)


@compiled(int64(Bytes, int64, Longs, Longs, Longs, Longs, Longs, Bytes, Longs, Longs, Longs))
def scan_requests(buffer, length, roles, rules, row, state, out_time, out_write, out_device, out_offset, out_size):
    """Rows of lines with len(roles) fields; empty lines and lines from # on are passed over.

    row: room for one value a role, zeros at the start.  Returns the number of rows, or -1 - code at the first wrong line
    (state[AT], state[LINE], state[COLUMN]).
    """
    at, rows, line, separator = int64(0), int64(0), state[LINE], rules[SEPARATOR]
    while at < length:
        begin = at
        while at < length and buffer[at] != _LF:
            at += 1
        end = at
        at += 1
        line += 1
        state[AT], state[LINE], state[ROWS] = begin, line, rows
        while end > begin and _is_blank(buffer[end - 1], separator):
            end -= 1
        p = begin
        while p < end and _is_blank(buffer[p], separator):
            p += 1
        if p == end or buffer[p] == _HASH:
            continue
        row[TIME] = state[LATEST]
        column = int64(0)
        while p <= end:
            while p < end and _is_blank(buffer[p], separator):
                p += 1
            after = p
            while after < end and not (_is_blank(buffer[after], separator) if separator == 0 else buffer[after] == separator):
                after += 1
            stop = after
            while stop > p and _is_blank(buffer[stop - 1], separator):
                stop -= 1
            if column >= len(roles):
                return int64(-1 - BAD_COLUMNS)
            state[COLUMN] = column
            bad = _field(buffer, p, stop, roles[column], rules, row)
            if bad:
                return -1 - bad
            column += 1
            p = after + 1
        if column != len(roles):
            return int64(-1 - BAD_COLUMNS)
        if row[TIME] < state[LATEST]:
            if state[LATEST] - row[TIME] > rules[BACKWARDS]:
                return int64(-1 - BEHIND)
            row[TIME] = state[LATEST]
        state[LATEST] = row[TIME]
        if row[SECTOR] > rules[LIMIT] // rules[SECTOR_SIZE]:
            return int64(-1 - BEYOND)
        offset = row[OFFSET] + row[SECTOR] * rules[SECTOR_SIZE]  # one of the two is 0, and of the lengths too
        size = row[BYTES] + row[SECTORS] * rules[SECTOR_SIZE]
        if offset > rules[LIMIT] - size:
            return int64(-1 - BEYOND)
        out_time[rows], out_write[rows], out_device[rows] = row[TIME], row[OP], row[DEVICE]
        out_offset[rows], out_size[rows] = offset, size
        rows += 1
    return rows
