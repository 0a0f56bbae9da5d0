"""Multi-generational LRU against a plain twin, by hand, and in whole machines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from models.memory import state as st
from models.policies import mglru as lru
from models.policies import mglru_control as control
from models.policies import mglru_lists as gl
from models.policies.mglru_lists import FIRST
from models.registry import resolve
from tests.machine_kit import counter, fill, make_plan, make_vm, mix, process, run
from tests.mglru_kit import Both
from tests.twins.mglru import ACTIVATE, ANON, FILE, KEEP, not_worse, tier_of

# --- against the twin -----------------------------------------------------------------------------------------------

SPAN = 400
STEPS = 60


def batch(both: Both, name: str, pages: list[int], files: int) -> None:
    for page in pages:
        here = both.twin.pages.get(page)
        kind = int(page % files == 0)
        if name in ("fault", "read") and here is None:
            both.insert(page, kind, name == "fault" or kind == ANON, kind == FILE and page // files % 3 == 0)
        elif here is None:
            continue
        elif name.startswith("touch"):
            both.touch(page, int(name[-1]))
        elif name == "use":
            both.use(page)
        elif name == "out":
            both.remove(page)
        elif name == "dirty" and here.kind == FILE:
            both.mark(page, "dirty", "dirty" not in here.flags)
        elif name == "lock":
            both.mark(page, "locked", "locked" not in here.flags)


def step(both: Both, draw: np.random.Generator, files: int) -> None:
    """One thing that happens, usually to a stretch of pages."""
    name = draw.choice(["fault", "read", "touch 0", "touch 1", "use", "pass", "age", "written", "out", "dirty", "lock", "swap"],
                       p=[0.2, 0.06, 0.1, 0.04, 0.08, 0.24, 0.08, 0.12, 0.02, 0.03, 0.02, 0.01])  # fmt: skip
    first, count = int(draw.integers(SPAN)), int(draw.choice([3, 30, 150, SPAN]))
    if name == "pass":
        priority = int(draw.choice([0, 0, 1, 3, 8, 11, 12]))
        fates = "".join(draw.choice(list("FFFWWT"), 5))
        both.reclaim_pass(priority, bool(draw.random() < 0.6), int(draw.choice([2, 32, 60])), fates)
    elif name == "age":
        both.age()
    elif name == "written":
        for page in [page.number for page in both.twin.pages.values() if "writeback" in page.flags]:
            both.rotate(page)
    elif name == "swap":
        both.twin.swap = not both.twin.swap
        both.a.num[st.SWAP_FREE] = 8000 if both.twin.swap else 63
    else:
        batch(both, name, [(first + i) % SPAN for i in range(min(count, 8) if name in ("out", "dirty", "lock") else count)], files)


@settings(max_examples=60, deadline=None)
@given(
    seed=some.integers(0, 1 << 40),
    files=some.sampled_from([1, 2, 3, SPAN]),  # every so many pages is a file page
    swappiness=some.sampled_from([0, 1, 60, 100, 200]),
    later=some.booleans(),
)
def test_any_life_is_the_twins(seed: int, files: int, swappiness: int, later: bool) -> None:
    """Pages come, by faults and by reads, are touched and used, become dirty, go; passes of kswapd and of tasks take them, their writes
    end, and generations come and go, by the rules of both kernels."""
    both = Both(SPAN, swappiness, later)
    draw = np.random.default_rng(seed)
    for _ in range(STEPS):
        step(both, draw, files)
        both.agree()
