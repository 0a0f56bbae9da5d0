"""Views do not count references: what they point to must live as long as the machine, and no longer."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np

from models.memory.frames import node_balanced
from sim.build import build
from tests.machine_kit import fill, make_plan, process


def watch(create: Any, seen: list[Any]) -> Any:
    """`create`, with a weak reference to every array that it returns (its options may be plain numbers)."""

    def watched(*given: Any, **named: Any) -> Any:
        made = create(*given, **named)
        seen.extend(weakref.ref(part) for part in made if isinstance(part, np.ndarray))
        return made

    return watched


def test_a_machine_keeps_its_parts_and_is_freed_with_them() -> None:
    plan = make_plan([process(10, fill(10))], backend="zcache", allocator="xvmalloc")
    seen: list[Any] = []
    policy = plan.policy._replace(create=watch(plan.policy.create, seen))
    backend = plan.backend._replace(create=watch(plan.backend.create, seen))
    built = build(plan._replace(policy=policy, backend=backend))
    seen.append(weakref.ref(built.arrays.frame))
    gc.collect()
    assert all(reference() is not None for reference in seen)
    del built
    gc.collect()
    assert all(reference() is None for reference in seen)


def test_a_call_takes_no_reference() -> None:
    built = build(make_plan([process(10, fill(10))]))
    before = built.pages._meminfo.refcount
    node_balanced(built.pages, 2)
    assert built.pages._meminfo.refcount == before
