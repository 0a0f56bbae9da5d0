"""When a compiler job uses which of its pages: the recorded run's parts dealt to the job's intervals (docs/build-workload.md).

Compiled, since a sweep makes the same thirty million ops in every one of its runs.
"""

from __future__ import annotations

import numpy as np
from numba import int16, int64, types, uint8, uint32, uint64, void

from models.jit import compiled

Masks = types.Array(uint64, 1, "C")
Numbers = types.Array(int64, 1, "C")
Bytes = types.Array(uint8, 1, "C")
Keys = types.Array(int16, 1, "C")
Times = types.Array(uint32, 1, "C")


@compiled(int64(Masks, Masks))
def count_touches(touched, bits):
    """How many (interval, page) have a touch; bits: the recorded run's parts that fall into each interval."""
    n = 0
    for part in bits:
        for page in range(len(touched)):
            n += touched[page] & part != 0
    return n


@compiled(void(Masks, Masks, Masks, Numbers, Numbers, Bytes))
def list_touches(touched, written, bits, interval, page, write):
    """Write them down by interval, then page; a page's first touch is a write."""
    n = 0
    seen = np.zeros(len(touched), np.uint8)
    for at in range(len(bits)):
        part = bits[at]
        for p in range(len(touched)):
            if touched[p] & part:
                interval[n] = at
                page[n] = p
                write[n] = seen[p] == 0 or written[p] & part != 0
                seen[p] = 1
                n += 1


def touches(touched: np.ndarray, written: np.ndarray, bits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(interval int64[n], page int64[n], write uint8[n]) of masks uint64[pages] and parts uint64[intervals]."""
    n = int(count_touches(touched, bits))
    interval, page, write = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.uint8)
    list_touches(touched, written, bits, interval, page, write)
    return interval, page, write


@compiled(void(Keys, Bytes, Numbers, Times, Bytes, Numbers, Times))
def sort_ops(key, op, page, cpu, op_out, page_out, cpu_out):
    """Ops in the order of their keys, those of one key as they stand."""
    place = np.zeros(int64(key.max()) + 2, np.int64)
    for k in key:
        place[k + 1] += 1
    for k in range(1, len(place)):
        place[k] += place[k - 1]
    for n in range(len(key)):
        to = place[key[n]]
        place[key[n]] = to + 1
        op_out[to] = op[n]
        page_out[to] = page[n]
        cpu_out[to] = cpu[n]


def in_order(key: np.ndarray, op: np.ndarray, page: np.ndarray, cpu: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The ops (uint8, int64, uint32) by their keys (int16[n], none negative, n > 0)."""
    out = np.empty_like(op), np.empty_like(page), np.empty_like(cpu)
    sort_ops(key, op, page, cpu, *out)
    return out
