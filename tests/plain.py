"""Allocators as plain Python: the source of a plug-in, changed or not, run without compiling.

So a test can break an allocator in one line and see at once what `conformance` says of it.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from models.allocators import pool
from models.allocators.pool import PoolArrays

ROOT = Path(__file__).resolve().parent.parent
SHARED = [ROOT / "models" / "allocators" / name for name in ("lists.py", "tally.py")]
COMPILING = ("from models.jit import", "from models.allocators.lists import", "from models.allocators.tally import", "from numba.cpython")


def _build_pool(*arrays: np.ndarray) -> PoolArrays:
    obj, page, block, head, num = arrays
    return PoolArrays(SimpleNamespace(obj=obj, page=page, block=block, head=head, num=num), *arrays)


def _run(source: str, name: str, more: dict[str, Any]) -> dict[str, Any]:
    """Run a source without what it imports from the modules that would compile; `more` stands for it."""
    lines, skipping = [], False
    for line in source.splitlines():
        if line.startswith(COMPILING):
            skipping = True
        if not skipping:
            lines.append(line)
        if skipping and (")" in line or "(" not in line) and not line.endswith(","):
            skipping = False
    space: dict[str, Any] = {"__name__": name, **more}
    exec(compile("\n".join(lines), name, "exec"), space)  # names that come from modules are there before
    return space


def plain(source: str) -> dict[str, Any]:
    """The names of an allocator's source; its record works with Player."""
    helpers: dict[str, Any] = {
        "compiled": lambda signature: lambda function: function,
        "inlined": lambda function: function,
        "uncounted": lambda function: function,
        "leading_zeros": lambda word: 64 - (int(word) % (1 << 64)).bit_length(),
        "trailing_zeros": lambda word: (int(word) & -int(word)).bit_length() - 1,
    }
    for path in SHARED:
        found = _run(path.read_text(), path.stem, helpers)
        helpers |= {name: value for name, value in found.items() if not name.startswith("__")}
    saved = {name: getattr(pool, name) for name in ("build_pool", "no_compaction", "always_exact", "start_eviction")}
    try:
        pool.build_pool = _build_pool  # type: ignore[assignment]
        pool.no_compaction, pool.always_exact = (lambda pool, budget: 0), (lambda pool: 0)
        return _run(source, "plain", helpers)
    finally:
        for name, value in saved.items():
            setattr(pool, name, value)
