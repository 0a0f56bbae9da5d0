"""Schedules: short descriptions of long operation sequences, for the search for worst cases (sim.bench.worst).

A schedule is a table of few steps, such as "store 500 times, 32 and 4000 bytes in turn" and "free all above 100 bytes".  `expand` makes
operations of it (models.allocators.drive), which takes a few nanoseconds each.
"""

from __future__ import annotations

from numba import int64, types

from models.allocators.drive import ALLOC, COMPACT, FREE, Ids, Ops
from models.allocators.pool import Numbers
from models.jit import compiled, inlined

# columns of a schedule
CODE, COUNT, A, B, C = range(5)

# codes
STORE = 1  # COUNT times; sizes A, B, C in turn (0: not one of them)
FREE_EVERY = 2  # of the live objects, in the order of their storing, every COUNT-th from the A-th on
KEEP_EVERY = 3  # the others
FREE_OLDEST = 4  # COUNT objects
FREE_NEWEST = 5
FREE_ABOVE = 6  # all that are larger than A bytes
FREE_UP_TO = 7  # all others
REPEAT = 8  # the A steps before this one, COUNT times more (a REPEAT among them is passed over)
SQUEEZE = 9  # compact the pool
CODES = 10

Schedule = types.Array(int64, 2, "C")


@inlined
def _leaves(step, index, alive, size):
    """Whether a step frees the object that is number `index` of `alive` live ones."""
    code, count = step[CODE], max(step[COUNT], 1)
    if code == FREE_EVERY:
        return index % count == step[A] % count
    if code == KEEP_EVERY:
        return index % count != step[A] % count
    if code == FREE_OLDEST:
        return index < count
    if code == FREE_NEWEST:
        return index >= alive - count
    if code == FREE_ABOVE:
        return size > step[A]
    return size <= step[A]


@inlined
def _stores(step, op, ident, arg, n, made):
    """Append the stores of a step, as many as there is room for; the number of operations then."""
    turn = 0
    left = step[COUNT]
    while left > 0 and n < op.shape[0]:
        size = step[A + turn % 3]
        turn += 1
        if size <= 0:
            continue
        op[n], ident[n], arg[n] = ALLOC, made, size
        made += 1
        n += 1
        left -= 1
    return n


@compiled(int64(Schedule, Ops, Ids, Numbers, Numbers, Numbers))
def expand(schedule, op, ident, arg, live, size):
    """Operations of a schedule, as many as there is room for; returns how many.  live, size: room for as many numbers (scratch)."""
    n, made, alive = int64(0), int64(0), int64(0)
    for at in range(schedule.shape[0]):
        first, rounds = at, 1
        if schedule[at, CODE] == REPEAT:
            first, rounds = max(at - schedule[at, A], 0), schedule[at, COUNT]
        for _ in range(rounds):
            if n >= op.shape[0]:
                break
            for s in range(first, max(at, first + 1)):
                step = schedule[s]
                code = step[CODE]
                if code == STORE:
                    if step[A] <= 0 and step[B] <= 0 and step[C] <= 0:
                        continue
                    before = n
                    n = _stores(step, op, ident, arg, n, made)
                    for k in range(before, n):
                        live[alive] = ident[k]
                        size[alive] = arg[k]
                        alive += 1
                        made += 1
                elif code == SQUEEZE:
                    if n < op.shape[0]:
                        op[n], ident[n], arg[n] = COMPACT, 0, 0
                        n += 1
                elif code != REPEAT:
                    kept = int64(0)
                    for k in range(alive):
                        if n < op.shape[0] and _leaves(step, k, alive, size[k]):
                            op[n], ident[n], arg[n] = FREE, live[k], 0
                            n += 1
                        else:
                            live[kept] = live[k]
                            size[kept] = size[k]
                            kept += 1
                    alive = kept
    return n
