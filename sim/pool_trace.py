"""What a run's pool saw, as a trace that `mempress replay` reads: `a ID SIZE` and `f ID` lines (`output.record_pool`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.memory.state import E_POOL_ALLOC, E_POOL_FREE, LOG_EVENT, LOG_SLOT, LOG_VALUE


class PoolTrace:
    """Collects the lines; objects are numbered in the order of their allocation."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.live: dict[int, int] = {}  # slot: object
        self.objects = 0

    def write(self, rows: np.ndarray[Any, Any]) -> None:
        """Take the pool's events out of rows of the machine's log (columns: models.memory.state)."""
        mine = rows[(rows[:, LOG_EVENT] == E_POOL_ALLOC) | (rows[:, LOG_EVENT] == E_POOL_FREE)]
        for event, slot, size in mine[:, [LOG_EVENT, LOG_SLOT, LOG_VALUE]].tolist():
            if event == E_POOL_ALLOC:
                self.lines.append(f"a {self.objects} {size}")
                self.live[slot] = self.objects
                self.objects += 1
            else:
                self.lines.append(f"f {self.live.pop(slot)}")

    def text(self) -> str:
        """The whole trace; it ends with a request for statistics."""
        return "\n".join([*self.lines, "s", ""])
