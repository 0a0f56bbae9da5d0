"""TinyLFU's memory: how often each page was used of late, in a few bits a page.

Einziger, Friedman, Manes, ACM Transactions on Storage 2017, section 3: a count-min sketch of small counters, of which only the smallest
ones of a page grow; a Bloom filter in front of it (the doorkeeper) takes the first use of each page; after `sample` uses every counter is
halved and the doorkeeper emptied.  The paper leaves the hashes open: here splitmix64 of the page, the row and the seed.

The table `more` has a row of counters for each hash, and below them the doorkeeper, 32 bits an entry.  A counter has eight bits of an
entry, or sixteen if it needs more: with entries of their own the counters would take 64 bytes a page.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import boolean, int32, int64, uint64, void

from models.cache.state import OWN_NUM, cache_t
from models.jit import compiled

DOOR_WORD = 32
# num: rows of counters and counters in a row, largest count, uses between halvings and so far; the doorkeeper's bits and hashes; seed
ROWS, WIDTH, MOST, SAMPLE, ADDED, DOOR, DOOR_HASHES, SEED = range(OWN_NUM, OWN_NUM + 8)
OWN_AFTER_SKETCH = OWN_NUM + 8


class Sketch(NamedTuple):
    """Its settings; counters, sample and door for each page of the cache."""

    rows: int = 4
    counters: float = 4.0
    bits: int = 4
    sample: float = 10.0
    door: float = 40.0
    door_hashes: int = 3
    seed: int = 1


def shape_of(pages: int, s: Sketch) -> tuple[int, int]:
    """Of the table `more`."""
    width, in_entry = max(1, int(pages * s.counters)), 4 if s.bits <= 8 else 2
    return s.rows + 1, max(-(-width // in_entry), -(-int(pages * s.door) // DOOR_WORD))


def fill(num: np.ndarray, pages: int, s: Sketch) -> None:
    """The sketch's numbers of an empty cache."""
    width, sample, door = max(1, int(pages * s.counters)), max(1, int(pages * s.sample)), int(pages * s.door)
    num[ROWS : SEED + 1] = s.rows, width, (1 << s.bits) - 1, sample, 0, door, s.door_hashes, s.seed


@compiled(int64(cache_t, int64, int64, int64))
def place(c, page, which, places):
    """Hash number `which` of a page, below `places`."""
    x = uint64(page) + (uint64(which) << uint64(32)) + uint64(c.num[SEED]) * uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> uint64(27))) * uint64(0x94D049BB133111EB)
    return int64((x ^ (x >> uint64(31))) % uint64(places))


@compiled(int64(cache_t))
def bits_of(c):
    """Bits of an entry that one counter has."""
    return int64(8) if c.num[MOST] < 256 else int64(16)


@compiled(int64(cache_t, int64, int64))
def counter(c, row, at):
    bits = bits_of(c)
    first = at * bits
    return (int64(c.more[row, first >> 5]) >> (first & 31)) & ((1 << bits) - 1)


@compiled(void(cache_t, int64, int64))
def grow(c, row, at):
    """One more; the largest count is not exceeded, so nothing carries over."""
    first = at * bits_of(c)
    entry = int64(c.more[row, first >> 5]) + (int64(1) << (first & 31))
    c.more[row, first >> 5] = int32(entry)


@compiled(boolean(cache_t, int64))
def known_at_door(c, page):
    row, num = c.more[c.num[ROWS]], c.num
    if num[DOOR] == 0:
        return False
    for k in range(num[DOOR_HASHES]):
        bit = place(c, page, num[ROWS] + k, num[DOOR])
        if not (int64(row[bit // DOOR_WORD]) >> (bit % DOOR_WORD)) & 1:
            return False
    return True


@compiled(void(cache_t, int64))
def pass_door(c, page):
    row, num = c.more[c.num[ROWS]], c.num
    for k in range(num[DOOR_HASHES]):
        bit = place(c, page, num[ROWS] + k, num[DOOR])
        row[bit // DOOR_WORD] = int32(int64(row[bit // DOOR_WORD]) | (int64(1) << (bit % DOOR_WORD)))


@compiled(int64(cache_t, int64))
def smallest(c, page):
    """The smallest of a page's counters."""
    found = c.num[MOST]
    for k in range(c.num[ROWS]):
        found = min(found, counter(c, k, place(c, page, k, c.num[WIDTH])))
    return found


@compiled(int64(cache_t, int64))
def frequency(c, page):
    """About how often a page was used."""
    return smallest(c, page) + (1 if known_at_door(c, page) else 0)


@compiled(void(cache_t))
def halve(c):
    more, num = c.more, c.num
    low = int64(0x7F7F7F7F) if bits_of(c) == 8 else int64(0x7FFF7FFF)  # what is left of each counter when all move by a bit
    for k in range(num[ROWS]):
        for i in range(more.shape[1]):
            more[k, i] = int32((int64(more[k, i]) >> 1) & low)
    more[num[ROWS]] = 0
    num[ADDED] //= 2


@compiled(void(cache_t, int64))
def record(c, page):
    """A page is used."""
    num = c.num
    if num[DOOR] > 0 and not known_at_door(c, page):
        pass_door(c, page)
    else:
        least = smallest(c, page)
        for k in range(num[ROWS]):
            at = place(c, page, k, num[WIDTH])
            if counter(c, k, at) == least and least < num[MOST]:
                grow(c, k, at)
    num[ADDED] += 1
    if num[ADDED] >= num[SAMPLE]:
        halve(c)
