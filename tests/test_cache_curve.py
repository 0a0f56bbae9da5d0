"""Reuse distances and LRU's whole curve: by hand, against the policy, and against the definition."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from models.cache.lru import LRU
from models.cache.mattson import distances, lru_misses
from models.registry import resolve
from sim.cachesim.objects import in_pages
from sim.cachesim.part import Counting, Part, first_counted
from sim.cachesim.policies import Choice, choices
from sim.cachesim.sampling import Wanted, hashes, sample
from sim.cachesim.study import Outcome, study
from sim.cachesim.trace import Trace
from sim.cli import execute
from sim.errors import UserError

NONE = np.empty(0, np.int32)
traces = some.lists(some.integers(0, 30), min_size=1, max_size=400)


def dense(pages: list[int]) -> tuple[np.ndarray, int]:
    known, ids = np.unique(np.asarray(pages), return_inverse=True)
    return ids.astype(np.int32), len(known)


def test_distances_by_hand() -> None:
    """a b c b a a: b after c and itself: 2; a after b, c and itself: 3; a again: 1."""
    found = distances(np.array([0, 1, 2, 1, 0, 0], np.int32), 3)
    assert found.tolist() == [3, 1, 1, 1]
    assert lru_misses(found).tolist() == [6, 5, 4, 3]


@settings(max_examples=200, deadline=None)
@given(traces)
def test_a_distance_is_the_number_of_distinct_pages_since(pages: list[int]) -> None:
    ids, distinct = dense(pages)
    expected = np.zeros(distinct + 1, int)
    for i, page in enumerate(ids):
        before = np.flatnonzero(ids[:i] == page)
        expected[0 if not len(before) else len(set(ids[before[-1] : i].tolist()))] += 1
    assert distances(ids, distinct).tolist() == expected.tolist()


@settings(max_examples=60, deadline=None)
@given(traces, some.integers(1, 32))
def test_the_curve_is_lru_at_every_size(pages: list[int], size: int) -> None:
    ids, distinct = dense(pages)
    misses = int(LRU.run(LRU.create(size, distinct).cache, ids, NONE))
    curve = lru_misses(distances(ids, distinct))
    assert curve[min(size, distinct)] == misses
    assert (np.diff(curve) <= 0).all() and curve[0] == len(ids) and curve[distinct] == distinct


def test_a_long_trace_moves_the_marks_together_many_times() -> None:
    rng = np.random.default_rng(5)
    ids, distinct = dense(np.minimum(rng.zipf(1.2, 60_000), 700).tolist())
    curve = lru_misses(distances(ids, distinct))
    for size in (1, 10, 100, distinct // 2, distinct):
        assert curve[size] == int(LRU.run(LRU.create(size, distinct).cache, ids, NONE)), size


# --- samples ------------------------------------------------------------------------------------------------------------


def trace_of(requests: int = 400_000, distinct: int = 20_000, seed: int = 3) -> Trace:
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, distinct + 1) ** 0.9
    ids, known = dense(rng.choice(distinct, requests, p=weights / weights.sum()).tolist())
    return Trace("made", "text", ids, known)


def lru(trace: Trace, sizes: Sequence[int]) -> list[int]:
    curve = lru_misses(distances(trace.ids, trace.distinct))
    return [int(curve[min(size, trace.distinct)]) for size in sizes]


def test_a_sample_has_the_pages_it_was_to_have_and_all_their_requests() -> None:
    sized = trace_of(20_000, 1000)
    trace = sized._replace(size=np.arange(20_000))
    whole = Part(trace, Counting(777, True))
    part = sample(whole, 100, 1)
    chosen = np.sort(np.argsort(hashes(trace.distinct, 1))[:100])
    there = np.isin(trace.ids, chosen)
    assert part.trace.distinct == 100 == len(np.unique(part.trace.ids))
    assert chosen[part.trace.ids].tolist() == trace.ids[there].tolist()
    assert part.weights.tolist() == np.flatnonzero(there).tolist()
    assert part.counting.first == there[:777].sum()
    assert not np.array_equal(sample(whole, 100, 2).trace.ids, part.trace.ids)


def outside(found: Sequence[Outcome], exact: Sequence[Outcome], widths: float) -> int:
    """How many lie farther from the truth than so many half widths."""
    return sum(abs(one.misses - true.misses) > widths * (one.half_width or 0) for one, true in zip(found, exact, strict=True))


SIZES = [1000 * k for k in range(1, 11)]


@pytest.mark.parametrize("wanted", [Wanted(rate=0.1), Wanted(pages=2000)], ids=["rate", "pages"])
@pytest.mark.parametrize("policy", ["lru", "sieve", "arc"])
def test_an_estimate_is_right_within_what_it_says(policy: str, wanted: Wanted) -> None:
    """At most one of ten sizes outside twice its interval; and the interval is small."""
    trace, chosen = trace_of(), choices(policy)
    exact = study(trace, chosen, SIZES, 2)
    found = study(trace, chosen, SIZES, 2, wanted)
    assert outside(found, exact, 2) <= 1
    assert all((one.half_width or 0) < 0.2 * one.misses for one in found)


@pytest.mark.parametrize("wanted", [Wanted(rate=0.1), Wanted(pages=2000)], ids=["rate", "pages"])
def test_intervals_cover_what_they_estimate(wanted: Wanted) -> None:
    """95 % intervals at one size, on twenty traces: at most four miss it (of twenty, five or more have a chance of 0.3 %)."""
    missed = 0
    for seed in range(20):
        trace = trace_of(40_000, 8000, seed)
        missed += outside(study(trace, choices("lru"), [2000], 2, wanted), study(trace, choices("lru"), [2000]), 1)
    assert missed <= 4


def test_a_falling_threshold_keeps_whole_samples_and_counts_with_warm_up_and_bytes() -> None:
    """Against a plain SHARDS of fixed size, with sorted lists."""
    trace = trace_of(6000, 900)._replace(size=np.random.default_rng(1).integers(1, 9000, 6000))
    for first in (0, 2500):
        found = study(trace, choices("lru"), [90, 300], 1, Wanted(pages=60), Counting(first, True))
        plain = np.array([plain_shards(trace, 60, [90, 300], hashes(trace.distinct, seed), first) for seed in range(5)])
        assert [o.misses for o in found] == plain[:, 0].mean(axis=0).round().tolist()
        assert [o.bytes for o in found] == plain[:, 1].mean(axis=0).round().tolist()


def plain_shards(trace: Trace, most: int, sizes: Sequence[int], marks: np.ndarray, first: int) -> np.ndarray:
    """[misses, missed bytes][size], by the definition: a list of sampled pages, the last used at the end."""
    assert trace.size is not None
    limit, stack, missed = 2.0**64, list[int](), np.zeros((2, len(sizes)))
    for at, page in enumerate(trace.ids.tolist()):
        if float(marks[page]) >= limit:
            continue
        rate = limit / 2.0**64
        distance = (len(stack) - stack.index(page) - 0.5) / rate if page in stack else np.inf
        if page in stack:
            stack.remove(page)
        stack.append(page)
        if at >= first:
            for k, size in enumerate(sizes):
                missed[:, k] += np.array([1, trace.size[at]]) / rate * (distance > size)
        if len(stack) > most:
            gone = max(stack, key=lambda p: int(marks[p]))
            limit = float(marks[gone])
            stack.remove(gone)
    return missed


def test_samples_that_say_nothing_are_refused() -> None:
    trace = trace_of(20_000, 1000)
    with pytest.raises(UserError, match="expected some and not all"):
        Wanted(rate=0.0001).pages_of(trace)
    with pytest.raises(UserError, match=r"--sample-pages: \d+ distinct pages, 2000 in a sample; expected some and not all"):
        Wanted(pages=2000).pages_of(trace)
    with pytest.raises(UserError, match="30 pages are 3 in the sample; expected caches of 40 pages or more"):
        study(Trace("t", "text", trace.ids, 1000), choices("fifo"), [30], 1, Wanted(pages=100))


# --- warm-up and bytes ------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(traces, some.integers(1, 12), some.integers(0, 400), some.sampled_from(["lru", "fifo", "belady", "2q", "lfu"]), some.booleans())
def test_warm_up_and_bytes_request_by_request(pages: list[int], size: int, first: int, policy: str, curve: bool) -> None:
    """Against the policy asked with one request at a time; LRU's curve in one pass as well."""
    ids, distinct = dense(pages)
    first = min(first, len(ids) - 1)
    weights = np.random.default_rng(len(ids)).integers(0, 1 << 40, len(ids))
    trace = Trace("t", "text", ids, distinct, size=weights)
    choice = choices(policy)
    missed = [bool(m) for m in np.diff([0] + [plain_misses(trace, choice, size, n) for n in range(1, len(ids) + 1)])]
    sizes = [size, size + 1] if curve else [size]
    found = study(trace, choice, sizes, 1, None, Counting(first, True))[0]
    assert found.misses == sum(missed[first:])
    assert found.bytes == sum(int(w) for w, miss in zip(weights[first:], missed[first:], strict=True) if miss)
    assert study(trace, choice, sizes, 1, None, Counting(first))[0] == (policy, size, found.misses, None, None, None)


def plain_misses(trace: Trace, choice: list[Choice], size: int, requests: int) -> int:
    """Of the first so many requests, with what Belady knows about all."""
    policy = resolve(choice[0].entry.target)
    later = policy.ahead(trace.ids, trace.distinct)[:requests] if policy.ahead else NONE
    return int(policy.run(policy.create(size, trace.distinct).cache, trace.ids[:requests], later))


def test_chunks_do_not_change_what_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = trace_of(30_000, 3000)._replace(size=np.full(30_000, 3))
    chosen = choices("lru,arc,belady,s3-fifo")
    for wanted in (None, Wanted(pages=300)):
        before = study(trace, chosen, [100, 900], 2, wanted, Counting(1234, True))
        monkeypatch.setattr("sim.cachesim.tasks.CHUNK", 1000)
        assert study(trace, chosen, [100, 900], 2, wanted, Counting(1234, True)) == before
        monkeypatch.undo()
        assert all(o.bytes == pytest.approx(3 * o.misses, abs=3) for o in before)


def test_automatic_warm_up_ends_when_the_largest_cache_is_full() -> None:
    trace = Trace("t", "text", np.array([0, 1, 0, 0, 2, 1, 3, 0, 1, 2, 3, 0, 1, 1, 0, 2], np.int32), 4)
    assert first_counted("auto", trace, [1, 3]) == 5
    assert first_counted("auto", trace, [2, 3, 99]) == 5
    assert first_counted("auto", trace, [4]) == 7
    assert first_counted("auto", trace._replace(ids=trace.ids[:8]), [4]) == 4  # half of the trace
    assert first_counted("auto", trace._replace(ids=3 - trace.ids), [1, 3]) == 5  # numbers in any order
    assert first_counted(None, trace, [1]) == 0 and first_counted("25%", trace, [1]) == 4 and first_counted("15", trace, [1]) == 15


# --- the command ----------------------------------------------------------------------------------------------------------


def test_the_command_prints_curves_and_estimates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = trace_of(50_000, 2000)
    file = tmp_path / "made.txt"
    file.write_text("\n".join(map(str, trace.ids)) + "\n")
    assert execute(["cache", str(file), "--policy", "lru,fifo", "--curve", "--csv"]) == 0
    rows = [line.split(",") for line in capsys.readouterr().out.splitlines()[1:]]
    curve = {int(row[3]): int(row[5]) for row in rows if row[4] == "lru"}
    assert curve[1] == lru(trace, [1])[0] and curve[trace.distinct] == trace.distinct
    assert len(curve) > 30 and len(rows) == 2 * len(curve)
    assert execute(["cache", str(file), "--policy", "lru", "--pages", "20%", "--sample", "0.2"]) == 0
    assert "±" in capsys.readouterr().out


def test_the_command_prints_warm_up_bytes_and_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = Trace("x", "made", np.array([0, 1, 0, 2, 1, 0], np.int32), 3, size=np.array([10, 20, 10, 40, 20, 11]))
    monkeypatch.setattr("sim.cachesim.command.load", lambda *_, **__: trace)
    command = ["cache", "x", "--policy", "lru,fifo", "--pages", "2", "--warmup", "1", "--weight", "bytes", "--quiet"]
    assert execute([*command, "--csv", "--json", str(tmp_path / "j")]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "trace,requests,distinct,cache_pages,policy,misses,warmup,bytes,missed_bytes",
        "x,5,3,2,lru,4,1,101,91", "x,5,3,2,fifo,3,1,101,71",
    ]  # fmt: skip
    document = json.loads((tmp_path / "j").read_text())
    assert (document["requests"], document["warmup"], document["bytes"]) == (5, 1, 101)
    assert [r["byte_miss_ratio"] for r in document["results"]] == [91 / 101, 71 / 101]
    assert execute([*command, "--plot", str(tmp_path / "p.svg")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "x (made): 5 requests behind 1 of warm-up, 3 distinct pages"
    assert lines[3].split() == ["2", "lru", "4", "0.8000", "91", "0.9010"]
    assert ">missed bytes / bytes<" in (tmp_path / "p.svg").read_text()
    monkeypatch.setattr("sim.cachesim.command.load", lambda *_, **__: trace._replace(size=np.zeros(6, np.int64)))
    assert execute(command) == 2 and "every size in it is 0" in capsys.readouterr().err


def test_the_command_prints_errors_of_samples_as_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "made.txt"
    file.write_text("\n".join(map(str, trace_of(20_000, 1000).ids)) + "\n")
    command = ["cache", str(file), "--policy", "lru,fifo", "--pages", "20%", "--sample-pages", "200", "--csv"]
    assert execute(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "trace,requests,distinct,cache_pages,policy,misses,misses_half_width"
    assert execute([*command, "--jobs", "1"]) == 0
    assert capsys.readouterr().out.splitlines() == lines


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "expected --pages N[,N...], or --curve"),
        (["--pages", "5", "--curve"], "expected --pages N[,N...], or --curve"),
        (["--pages", "5", "--sample", "1.5"], "1.5 is not in the range"),
        (["--pages", "5", "--sample", "0.5"], "5 pages are 2 in the sample"),
        (["--pages", "5", "--sample", "0.0001"], "expected some and not all"),
        (["--pages", "5", "--sample", "0.5", "--sample-pages", "9"], "expected --sample RATE or --sample-pages N, not both"),
        (["--pages", "50", "--sample-pages", "90"], "--sample-pages: 90 distinct pages, 90 in a sample; expected some and not all"),
        (["--curve", "--sample-pages", "3"], "--sample-pages: no cache has 4 pages in the sample"),
        (["--pages", "5", "--warmup", "1000"], "--warmup: 1000 are 1000 of 1000 requests; expected fewer than all"),
        (
            ["--pages", "5", "--warmup", "100%"],
            "--warmup: expected a number of requests, per cent of them such as 10%, or auto; found '100%'",
        ),
        (["--pages", "5", "--warmup", "-1"], "--warmup: expected a number"),
        (["--pages", "5", "--warmup", "full"], "--warmup: expected a number"),
        (["--pages", "5", "--weight", "bytes"], "--weight bytes: the format lirs has no sizes"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str) -> None:
    file = tmp_path / "made.txt"
    file.write_text("\n".join(str(k % 90) for k in range(1000)) + "\n")
    assert execute(["cache", str(file), "--policy", "lru", *more]) == 2
    told = capsys.readouterr()
    assert said in told.err and told.out == ""


@given(requests=some.lists(some.tuples(some.integers(0, 6), some.integers(0, 20)), min_size=1, max_size=60), page=some.integers(1, 7))
def test_an_object_takes_the_pages_that_it_needs(requests: list[tuple[int, int]], page: int) -> None:
    """Request by request: the pages of an object are its own, in order, and their bytes add up to the request's."""
    ids, distinct = dense([key for key, _ in requests])
    sizes = np.array([size for _, size in requests], np.int64)
    found = in_pages(Trace("t", "t", ids, distinct, np.arange(distinct, dtype=np.uint64), ids.astype(np.int64), None, sizes), page)
    assert found.size is not None and found.time is not None and found.keys is not None
    at, of = 0, {}  # type: ignore[var-annotated]
    for number, size in zip(ids.tolist(), sizes.tolist(), strict=True):
        pages = max(1, -(-size // page))
        assert found.size[at : at + pages].sum() == size and (found.time[at : at + pages] == number).all()
        for k in range(pages):
            assert of.setdefault(int(found.ids[at + k]), (number, k)) == (number, k)
            assert found.keys[found.ids[at + k]] == (number << 20) + k
        at += pages
    assert at == len(found.ids) and len(of) <= found.distinct == len(found.keys)


def test_pages_of_objects_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.csv").write_text("id,size\n1,8192\n2,100\n1,8192\n")
    command = ["cache", str(tmp_path / "t.csv"), "--policy", "lru", "--pages", "3", "--csv", "--quiet"]
    assert execute([*command, "--page-size", "4096"]) == 0
    assert capsys.readouterr().out.splitlines()[1].endswith(",5,3,3,lru,3")
    (tmp_path / "n.txt").write_text("1\n2\n")
    assert execute(["cache", str(tmp_path / "n.txt"), "--policy", "lru", "--pages", "3", "--page-size", "4096", "--quiet"]) == 2
    assert "has no sizes" in capsys.readouterr().err
