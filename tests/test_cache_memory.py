"""At most 60 bytes a distinct page for each cache, beside the trace itself: 4 bytes a request, 8 a page for the ids' own numbers."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from models.cache.readers.source import Dense
from models.cache.registry import REGISTRY
from models.registry import Entry, resolve
from sim.cachesim.part import Counting, Part
from sim.cachesim.policies import choices
from sim.cachesim.sampling import falling_threshold, sample
from sim.cachesim.study import lru_curve, simulate
from sim.cachesim.trace import Trace

DISTINCT = 300_000  # LFU has 1.8 MB for counts besides, which tell for little here
MOST = 60


def the_trace() -> Trace:
    ids = np.concatenate([np.arange(DISTINCT), np.random.default_rng(2).integers(0, DISTINCT, DISTINCT)]).astype(np.int32)
    return Trace("t", "text", ids, DISTINCT, size=np.ones(2 * DISTINCT, np.int64))


def peak_a_page(work: Callable[[], object]) -> float:
    """Bytes that NumPy and Python had at most, while it ran, beyond what they had before."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        work()
        return (tracemalloc.get_traced_memory()[1] - before) / DISTINCT
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("entry", REGISTRY, ids=[entry.name for entry in REGISTRY])
@pytest.mark.parametrize("share", [1, 2, 10])
def test_a_policy(entry: Entry, share: int) -> None:
    part, choice = Part(the_trace()), choices(entry.name)[0]
    resolve(entry.target)
    future = 4 * 2 * DISTINCT if resolve(entry.target).ahead else 0  # 4 bytes a request: when its page is used next
    assert peak_a_page(lambda: simulate(choice, part, DISTINCT // share)) - future / DISTINCT <= MOST


@pytest.mark.parametrize("by_bytes", [False, True])
def test_the_whole_curve_of_lru(by_bytes: bool) -> None:
    part = Part(the_trace(), Counting(0, by_bytes))
    assert peak_a_page(lambda: lru_curve(part, range(1, DISTINCT, DISTINCT // 50))) <= MOST


def test_samples() -> None:
    """Hashes of all pages, and a sample with at most its own share of the requests."""
    part = Part(the_trace())
    assert peak_a_page(lambda: falling_threshold(part, DISTINCT // 10, [DISTINCT // 2], 1, lambda n: None)) <= MOST
    requests = 9 * 2 * DISTINCT  # which requests are in the sample: 4 bytes for the number there, 1 for whether, and those that are
    assert peak_a_page(lambda: sample(part, DISTINCT // 10, 1)) - requests / DISTINCT <= MOST


def test_numbering_ids() -> None:
    """Both tables at the moment in which they grow."""
    blocks = np.array_split(np.random.default_rng(3).permutation(1 << 18).astype(np.uint64) << np.uint64(12), 64)

    def work() -> None:
        dense = Dense()
        for block in blocks:
            dense.add(block)

    assert peak_a_page(work) * DISTINCT / (1 << 18) <= MOST
