"""Accesses counted by row and column: what a heat map shows."""

from __future__ import annotations

import numpy as np
from numba import int32, int64, types, void

from models.jit import compiled

Ids = types.Array(int32, 1, "C", readonly=True)
Rows = types.Array(int32, 1, "C", readonly=True)
Times = types.Array(int64, 1, "C", readonly=True)
Cells = types.Array(int64, 2, "C")


@compiled(void(Ids, Rows, Times, int64, int64, int64, Cells), nogil=True)
def count_cells(ids, rows, times, first, begin, span, cells):
    """A chunk of a trace: cells[row of the page, column of the moment] += 1.

    rows   of each page
    times  of each access, or empty: then it is the access's number, from `first` on
    begin  time of column 0's start;  span: time from there to the last column's end, which is beyond every access
    """
    columns = cells.shape[1]
    timed = len(times) > 0
    for i in range(len(ids)):
        at = (times[i] if timed else first + i) - begin
        cells[rows[ids[i]], min(int64(at / span * columns), columns - 1)] += 1


def cells_of(rows: int, columns: int) -> np.ndarray:
    return np.zeros((rows, columns), np.int64)
