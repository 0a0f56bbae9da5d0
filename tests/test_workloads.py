"""Pattern workloads: their statistics, their determinism, and programs made of parts and of several processes."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from models.errors import InputError
from models.registry import Entry, resolve
from models.workloads import draws
from models.workloads.registry import REGISTRY
from models.workloads.stream import EXIT, READ, SPAWN, WAIT, WRITE, Context, Process, Program

PATTERN = {
    "size": 256 * 4096, "accesses": 200_000, "write_ratio": 0.3, "think": 70, "fill": False, "offset": 0, "processes": 1, "stride": 1,
    "alpha": 0.9, "scatter": True, "hot": 0.1, "hot_accesses": 0.8,
}  # fmt: skip
KINDS = ("sequential", "loop", "uniform", "zipf", "hotcold")


def program(kind: str, seed: int = 1, page_size: int = 4096, **options: Any) -> Program:
    entry = next(entry for entry in REGISTRY if entry.name == kind)
    settings = {"weights": None, "repeat": 1, "processes": 1} if kind in ("phases", "mix") else PATTERN
    return resolve(entry.target)({**settings, **options}, Context(page_size, np.random.SeedSequence(seed)))


def ops(process: Process) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The whole stream, checked against what the process says about itself."""
    chunks = list(process.chunks())
    assert all((c[0].dtype, c[1].dtype, c[2].dtype) == (np.uint8, np.int64, np.uint32) and len({len(x) for x in c}) == 1 for c in chunks)
    op, page, cpu = (np.concatenate([chunk[k] for chunk in chunks]) for k in range(3))
    assert process.ops == len(op)
    assert page[op <= WRITE].min(initial=0) >= 0 and page[op <= WRITE].max(initial=0) < process.pages
    return op, page, cpu


def single(kind: str, **options: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    (process,) = program(kind, **options).processes
    return ops(process)


class Part(NamedTuple):
    """What a configuration hands over for a named part."""

    entry: Entry
    options: dict[str, Any]


def part(kind: str, **options: Any) -> Part:
    return Part(next(entry for entry in REGISTRY if entry.name == kind), {**PATTERN, **options})


def test_in_order() -> None:
    assert single("sequential", accesses=None)[1].tolist() == list(range(256))
    assert single("loop", accesses=600)[1].tolist() == [i % 256 for i in range(600)]
    assert single("loop", accesses=4, stride=100)[1].tolist() == [0, 100, 200, 44]
    assert single("sequential", accesses=None, page_size=16384)[1].tolist() == list(range(64))


@pytest.mark.parametrize("kind", KINDS)
def test_writes_and_think(kind: str) -> None:
    op, _, cpu = single(kind)
    assert stats.binomtest(int((op == WRITE).sum()), len(op), 0.3).pvalue > 1e-4
    assert set(op.tolist()) == {READ, WRITE} and set(cpu.tolist()) == {70}
    assert not single(kind, write_ratio=0.0)[0].any() and single(kind, write_ratio=1.0)[0].all()


def test_uniform_frequencies() -> None:
    assert stats.chisquare(np.bincount(single("uniform")[1], minlength=256)).pvalue > 1e-4


@pytest.mark.parametrize("alpha", [0.0, 0.8, 1.2])
def test_zipf_frequencies(alpha: float) -> None:
    """Counts of the ranks follow r^-alpha; with scatter the same counts lie on the scattered pages."""
    wanted = np.arange(1, 257) ** -alpha
    counts = np.bincount(single("zipf", alpha=alpha, scatter=False)[1], minlength=256)
    assert stats.chisquare(counts, wanted / wanted.sum() * counts.sum()).pvalue > 1e-4
    scattered = np.bincount(single("zipf", alpha=alpha)[1], minlength=256)
    assert np.array_equal(scattered[draws.scattered(np.arange(256), 256)], counts)


def test_hot_and_cold() -> None:
    """26 hot pages of 256 get 80 % of the accesses, each kind evenly."""
    counts = np.bincount(single("hotcold", scatter=False)[1], minlength=256)
    assert stats.binomtest(int(counts[:26].sum()), 200_000, 0.8).pvalue > 1e-4
    assert stats.chisquare(counts[:26]).pvalue > 1e-4 and stats.chisquare(counts[26:]).pvalue > 1e-4
    assert single("hotcold", hot=1.0, accesses=1000)[1].max() > 200


@given(st.integers(1, 5000))
def test_scatter_is_a_permutation_that_parts_neighbours(pages: int) -> None:
    page = draws.scattered(np.arange(pages), pages)
    assert np.array_equal(np.sort(page), np.arange(pages))
    if pages > 100:
        assert np.abs(np.diff(page)).min() > pages // 4


def test_splitmix64() -> None:
    """The published test vector of splitmix64 seeded with 1234567."""
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]
    assert draws.draw(np.uint64(1234567), np.arange(5, dtype=np.uint64)).tolist() == expected


@given(st.integers(0, 2**64 - 1), st.integers(1, 2**32 - 1))
def test_scale_against_integers(value: int, n: int) -> None:
    assert draws.scale(np.array([value], np.uint64), n).tolist() == [((value >> 32) * n) >> 32]


def test_zipf_table_by_hand() -> None:
    weights = [math.pow(k, -0.7) for k in range(1, 100)]
    exact = [math.floor(math.fsum(weights[: k + 1]) / math.fsum(weights) * 2**32) for k in range(99)]
    table = draws.zipf_table(99, 0.7).astype(np.int64)
    assert np.abs(table[:-1] - exact[:-1]).max() <= 1 and table[-1] == 2**32 - 1


def test_fill_and_offset() -> None:
    op, page, cpu = single("uniform", fill=True, accesses=1000, offset=40960, write_ratio=0.0)
    assert page[:256].tolist() == list(range(10, 266)) and op[:256].all() and set(cpu[:256].tolist()) == {100}
    assert not op[256:].any() and page[256:].min() >= 10
    (process,) = program("uniform", offset=40960).processes
    assert process.pages == 266


def test_several_processes() -> None:
    """A parent starts them, waits and exits; each has a stream of its own."""
    made = program("uniform", processes=3, accesses=1000)
    op, page, _ = ops(made.processes[0])
    assert op.tolist() == [SPAWN] * 3 + [WAIT, EXIT] and page.tolist() == [1, 2, 3, -1, 0]
    streams = [ops(process)[1] for process in made.processes[1:]]
    assert len(streams) == 3 and not np.array_equal(streams[0], streams[1]) and not np.array_equal(streams[1], streams[2])


def test_phases() -> None:
    made = [part("loop", accesses=3), part("sequential", accesses=2, offset=256 * 4096)]
    assert single("phases", parts=made, repeat=2)[1].tolist() == [0, 1, 2, 256, 257] * 2
    assert program("phases", parts=made).processes[0].pages == 512


def test_mix_keeps_weights_and_each_part_whole() -> None:
    """Weights 3 to 1 while both run; nothing of a part is lost or reordered; the longer one ends alone."""
    made = [part("loop", accesses=300_000), part("sequential", size=4096 * 500_000, accesses=400_000, offset=256 * 4096)]
    _, page, _ = single("mix", parts=made, weights=[3.0, 1.0])
    first = page < 256
    assert np.array_equal(page[first], np.arange(300_000) % 256) and np.array_equal(page[~first] - 256, np.arange(400_000))
    end = np.flatnonzero(first)[-1]
    assert stats.binomtest(300_000, int(end) + 1, 0.75).pvalue > 1e-4


def test_parts_nest_and_run_in_processes() -> None:
    inner = part("mix", weights=None, parts=[part("zipf", accesses=50), part("uniform", accesses=50)])
    made = program("phases", parts=[inner, part("loop", accesses=10)], processes=2)
    streams = [ops(process)[1] for process in made.processes[1:]]
    assert [len(s) for s in streams] == [110, 110] and not np.array_equal(*streams)


def test_same_parts_of_equal_kind_differ() -> None:
    _, page, _ = single("phases", parts=[part("uniform", accesses=500), part("uniform", accesses=500)])
    assert not np.array_equal(page[:500], page[500:])


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("phases", {"parts": []}, "parts is empty"),
        ("mix", {"parts": [part("loop", processes=2)]}, "has several processes"),
        ("mix", {"parts": [part("loop")], "weights": [1.0, 2.0]}, "must be 1 numbers"),
        ("mix", {"parts": [part("loop"), part("loop")], "weights": [0.0, 0.0]}, "not all 0"),
        ("loop", {"think": 1 << 32}, "think"),
        ("loop", {"size": 0}, "size"),
    ],
)
def test_refused(kind: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        program(kind, **options)


def checksums(seed: int) -> dict[str, list[float]]:
    """A fingerprint of every pattern's stream."""
    mixed = {"parts": [part("zipf", accesses=3000), part("hotcold", accesses=3000)], "weights": [1.0, 2.0]}
    found = {kind: single(kind, seed=seed, accesses=3000) for kind in KINDS} | {"mix": single("mix", seed=seed, **mixed)}
    return {kind: [int((x[k] * np.arange(1, len(x[k]) + 1)).sum()) for k in range(2)] for kind, x in found.items()}


def test_same_seed_same_stream_in_another_process() -> None:
    root = Path(__file__).resolve().parent.parent
    code = "import json, tests.test_workloads as t; print(json.dumps(t.checksums(5)))"
    run = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == checksums(5) != checksums(6)


def test_streams_can_be_read_twice() -> None:
    (process,) = program("zipf", accesses=1000).processes
    assert np.array_equal(ops(process)[1], ops(process)[1])


def test_patterns_agree_with_the_reference_generator() -> None:
    """The reference runs of real guests used the same arithmetic; where their generator is at hand the streams are compared."""
    reference = Path(__file__).resolve().parent.parent.parent / "shared" / "groundtruth" / "guest" / "memhog_ref.py"
    if not reference.is_file():
        pytest.skip("no ../shared/groundtruth: the reference generator is not at hand")
    code = (
        f"import sys, json; sys.argv=['x']; sys.path.insert(0, {str(reference.parent)!r}); import memhog_ref as m\n"
        "d = dict(apat='zipf', aalpha='0.8', wpm='300', seed='7', n='4000')\n"
        "p, w, f = m.mix_phase(d, 1000, 0)\n"
        "print(json.dumps([p.tolist(), w.tolist()]))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    pages, writes = json.loads(run.stdout)
    seed = draws.mix64(np.array([7], np.uint64))[0]
    number = np.arange(4000, dtype=np.uint64) * np.uint64(4)
    u, w = draws.draw(seed, number), draws.draw(seed, number + np.uint64(2))
    rank = np.searchsorted(draws.zipf_table(1000, 0.8), (u >> np.uint64(32)).astype(np.uint32))
    assert draws.scattered(rank.astype(np.int64), 1000).tolist() == pages
    assert draws.chance(w, 0.3).tolist() == writes
