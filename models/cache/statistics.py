"""Statistics of a trace in one pass each: times between uses, windows, runs of neighbours.  Reuse distances: mattson.py."""

from __future__ import annotations

import numpy as np
from numba import int32, int64, types, uint64, void

from models.jit import compiled, inlined

Ids = types.Array(int32, 1, "C", readonly=True)
Keys = types.Array(uint64, 1, "C", readonly=True)
Places = types.Array(int32, 1, "C")
Counts = types.Array(int64, 1, "C")
BINS = 32  # of powers of two: a trace has fewer than 2^31 requests
NUMBER, LENGTH = 0, 1  # rows of `absent`
DISTINCT, ONCE = 0, 1  # rows of what windows have
PAIRS, RUNS, LONGEST = 0, 1, 2  # of runs


@inlined
def octave(value):
    """The largest k with 2^k <= value, of a value from 1 on."""
    k = 0
    while value > 1:
        value >>= 1
        k += 1
    return k


@compiled(void(int64, types.Array(int64, 2, "C")))
def add_absence(length, absent):
    if length > 0:
        k = octave(length)
        absent[NUMBER, k] += 1
        absent[LENGTH, k] += length


@compiled(void(Ids, Places, types.Array(int64, 2, "C")), nogil=True)
def count_absences(ids, last, absent):
    """Stretches of requests in which a page is not used: number and summed length, by the octave of the length.

    last  zeros, for each page
    """
    for i in range(len(ids)):
        page = ids[i]
        add_absence(i - last[page], absent)
        last[page] = i + 1
    for page in range(len(last)):
        add_absence(len(ids) - last[page], absent)


def working_sets(ids: np.ndarray, distinct: int) -> list[tuple[int, float]]:
    """(window, mean number of distinct pages in it), over all windows of 1, 2, 4, ... requests that the trace has (Denning 1968).

    A page is missing from a window if the window lies in a stretch without it; one of length L has L + 1 - T windows of T.
    """
    absent = np.zeros((2, BINS), np.int64)
    count_absences(ids, np.zeros(distinct, np.int32), absent)
    found = []
    for k in range(BINS):
        window = 1 << k
        if window > len(ids):
            break
        missing = int(absent[LENGTH, k:].sum()) - int(absent[NUMBER, k:].sum()) * (window - 1)
        found.append((window, distinct - missing / (len(ids) + 1 - window)))
    return found


@compiled(int64(Ids, int64, types.Array(types.uint8, 1, "C")))
def count_until(ids, pages, seen):
    """How many requests name so many distinct pages, all requests if they never do; seen: zeros, for each page."""
    for i in range(len(ids)):
        if seen[ids[i]] == 0:
            seen[ids[i]] = 1
            pages -= 1
            if pages == 0:
                return i + 1
    return len(ids)


def requests_until(ids: np.ndarray, distinct: int, pages: int) -> int:
    """How many requests, from the first on, name so many distinct pages."""
    return int(count_until(ids, pages, np.zeros(distinct, np.uint8)))


@compiled(void(Ids, int64, int64, Places, Places, types.Array(int64, 2, "C")), nogil=True)
def count_once(ids, windows, first, seen, uses, found):
    """Distinct pages, and those used once, in each of `windows` parts of the trace, of as equal length as can be.

    seen, uses  zeros, for each page;  first: 0
    """
    for w in range(windows):
        end = (w + 1) * len(ids) // windows
        for i in range(first, end):
            page = ids[i]
            if seen[page] != w + 1:
                seen[page], uses[page] = w + 1, 0
            uses[page] += 1
            if uses[page] == 1:
                found[DISTINCT, w] += 1
                found[ONCE, w] += 1
            elif uses[page] == 2:
                found[ONCE, w] -= 1
        first = end


def used_once(ids: np.ndarray, distinct: int, windows: int) -> np.ndarray:
    """int64[2, windows]: distinct pages, and those used once, in each part of the trace."""
    found = np.zeros((2, windows), np.int64)
    count_once(ids, windows, 0, np.zeros(distinct, np.int32), np.zeros(distinct, np.int32), found)
    return found


@compiled(void(Ids, Keys, uint64, Counts), nogil=True)
def count_runs(ids, keys, step, found):
    """Requests whose page is the next after that of the request before, runs of such, and the longest run's requests."""
    length = 0
    for i in range(len(ids)):
        if i > 0 and keys[ids[i]] >= step and keys[ids[i]] - step == keys[ids[i - 1]]:
            found[PAIRS] += 1
            length += 1
        else:
            found[RUNS] += 1
            length = 1
        found[LONGEST] = max(found[LONGEST], length)


def step_of(keys: np.ndarray) -> int:
    """What the distances of all keys are multiples of: 1 for page numbers, the page's size for addresses of pages."""
    return int(np.gcd.reduce(keys - keys.min())) or 1


def runs(ids: np.ndarray, keys: np.ndarray, step: int) -> tuple[int, int, int]:
    """(requests that follow their neighbour, runs, requests of the longest)."""
    found = np.zeros(3, np.int64)
    count_runs(ids, keys, step, found)
    return int(found[PAIRS]), int(found[RUNS]), int(found[LONGEST])
