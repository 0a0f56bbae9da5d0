"""Compiled scanner of block I/O traces: rows of text in, arrays of requests out, millions of lines a second."""

from __future__ import annotations

from numba import types

from models.jit import compiled
from models.workloads.io_readers.source import LARGEST_REQUEST, MINOR_BITS
from models.workloads.readers.scan import AT, COLUMN, LATEST, LINE, ROWS, Bytes, Longs, decimal, fixed_point, operation

SKIP, TIME, OP, DEVICE, SECTOR, OFFSET, SECTORS, BYTES, TICKS = range(9)  # roles of columns; TICKS are whole, and count from rules[ORIGIN]
BAD_COLUMNS, BAD_TIME, BAD_OP, BAD_DEVICE, BAD_PLACE, BAD_LENGTH, BEHIND, BEYOND = range(1, 9)

# rules: separator (0 is any run of blanks), ns in a unit of time, ns that time may fall, bytes of a sector, of a device, whether 0 is a
# write, first tick, whether a summary has come
SEPARATOR, UNIT, BACKWARDS, SECTOR_SIZE, LIMIT, ZERO_IS_WRITE, ORIGIN, ENDED, RULES = range(9)

_TAB, _LF, _CR, _BLANK, _HASH, _COMMA, _COLON, _ZERO, _ONE = (ord(c) for c in "\t\n\r #,:01")
_C, _P, _U, _T, _O, _T_SMALL, _A_SMALL, _Q, _W, _D, _R, _F, _PLUS, _OPEN = (ord(c) for c in "CPUTotaQWDRF+(")
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


@compiled(types.UniTuple(int64, 2)(Bytes, int64, int64))
def _next_field(buffer, at, end):
    """(start, end) of the next field between blanks; both are `end` if there is none."""
    while at < end and _is_blank(buffer[at], 0):
        at += 1
    stop = at
    while stop < end and not _is_blank(buffer[stop], 0):
        stop += 1
    return at, stop


@compiled(boolean(Bytes, int64, int64, int64))
def _holds(buffer, at, end, letter):
    """Whether a field has a letter."""
    found = False
    for i in range(at, end):
        found = found or buffer[i] == letter
    return found


@compiled(boolean(Bytes, int64, int64))
def _is_summary(buffer, at, end):
    """Whether a line begins blkparse's summary: `CPU0 (8,0):` or `Total (8,0):`."""
    word, stop = _next_field(buffer, at, end)
    if word != at or stop - word < 4 or stop + 1 >= end or buffer[stop + 1] != _OPEN:
        return False
    cpu = buffer[at] == _C and buffer[at + 1] == _P and buffer[at + 2] == _U
    return cpu or (buffer[at] == _T and buffer[at + 1] == _O and buffer[at + 2] == _T_SMALL)


@compiled(int64(Bytes, int64, int64, Longs, Longs))
def _blkparse_line(buffer, at, end, rules, row):
    """1 if the line is a queued request, which is put into row, 0 if it is another of blkparse's, or -1 - code."""
    begin, stop = _next_field(buffer, at, end)
    row[DEVICE] = _device(buffer, begin, stop)
    if row[DEVICE] < 1 << MINOR_BITS and not _holds(buffer, begin, stop, _COMMA):
        return int64(-1 - BAD_DEVICE)
    for _ in range(2):  # CPU, number
        begin, stop = _next_field(buffer, stop, end)
        value, after = decimal(buffer, begin, stop)
        if value < 0 or after != stop:
            return int64(-1 - BAD_COLUMNS)
    begin, stop = _next_field(buffer, stop, end)
    row[TIME], after = fixed_point(buffer, begin, stop, 1_000_000_000)
    if row[TIME] < 0 or after != stop:
        return int64(-1 - BAD_TIME)
    begin, stop = _next_field(buffer, stop, end)
    value, after = decimal(buffer, begin, stop)
    if value < 0 or after != stop:
        return int64(-1 - BAD_COLUMNS)
    action, stop = _next_field(buffer, stop, end)
    if action == stop or buffer[action] < _A_SMALL - 32 or buffer[action] > _A_SMALL + 25:
        return int64(-1 - BAD_COLUMNS)
    queued = stop - action == 1 and buffer[action] == _Q
    kind, stop = _next_field(buffer, stop, end)
    row[OP] = 1 if _holds(buffer, kind, stop, _W) else 0
    if not queued or _holds(buffer, kind, stop, _D) or not (row[OP] or _holds(buffer, kind, stop, _R)):
        return int64(0)
    flush = _holds(buffer, kind, stop, _F)
    begin, stop = _next_field(buffer, stop, end)
    row[SECTOR], after = decimal(buffer, begin, stop)
    if row[SECTOR] < 0 or after != stop:
        return int64(0) if flush else int64(-1 - BAD_PLACE)
    begin, stop = _next_field(buffer, stop, end)
    if stop - begin != 1 or buffer[begin] != _PLUS:
        return int64(-1 - BAD_COLUMNS)
    begin, stop = _next_field(buffer, stop, end)
    row[SECTORS], after = decimal(buffer, begin, stop)
    if row[SECTORS] < 0 or row[SECTORS] > LARGEST_REQUEST // 512 or after != stop:
        return int64(-1 - BAD_LENGTH)
    if row[SECTORS] and row[SECTOR] > rules[LIMIT] // 512 - row[SECTORS]:
        return int64(-1 - BEYOND)
    return int64(1) if row[SECTORS] else int64(0)


@compiled(int64(Bytes, int64, Longs, Longs, Longs, Longs, Bytes, Longs, Longs, Longs))
def scan_blkparse(buffer, length, rules, row, state, out_time, out_write, out_device, out_offset, out_size):
    """Queued requests of blkparse's lines, like scan_requests; from the summary on (rules[ENDED]) all is passed over."""
    at, rows, line = int64(0), int64(0), state[LINE]
    while at < length and rules[ENDED] == 0:
        begin = at
        while at < length and buffer[at] != _LF:
            at += 1
        end = at
        at += 1
        line += 1
        state[AT], state[LINE], state[ROWS] = begin, line, rows
        if _next_field(buffer, begin, end)[0] == end:
            continue
        if _is_summary(buffer, begin, end):
            rules[ENDED] = 1
            break
        found = _blkparse_line(buffer, begin, end, rules, row)
        if found < 0:
            return found
        if found == 0:
            continue
        if state[LATEST] - row[TIME] > rules[BACKWARDS]:
            return int64(-1 - BEHIND)
        state[LATEST] = max(state[LATEST], row[TIME])
        out_time[rows], out_write[rows], out_device[rows] = state[LATEST], row[OP], row[DEVICE]
        out_offset[rows], out_size[rows] = row[SECTOR] * 512, row[SECTORS] * 512
        rows += 1
    return rows
