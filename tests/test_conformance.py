"""`conformance`: every built-in allocator keeps the contract, and each broken rule is named, with the operations that show it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.allocators.registry import REGISTRY
from models.allocators.xvmalloc import XVMALLOC
from models.allocators.zbud_zcache1 import ZBUD_ZCACHE1
from models.registry import resolve
from sim.cli import execute
from sim.config.parts import Allocator as Part
from sim.conformance.conform import Failure, Kept, examine, play_all
from sim.conformance.record import check_record, check_reserve
from sim.conformance.rules import RULES, Broken
from sim.conformance.sequences import FREE, STORE, Case, Step, generate, shrink
from tests.plain import plain

ROOT = Path(__file__).resolve().parent.parent
BUDDY = ROOT / "docs" / "examples" / "buddy.py"
ZBUD = ROOT / "models" / "allocators" / "zbud_zcache1.py"


# --- allocators that keep it -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [entry.name for entry in REGISTRY])
def test_built_in_allocators_keep_the_contract(name: str) -> None:
    part = Part(name)
    found = examine(resolve(part.entry.target), name, part.options, seed=7, count=60)
    assert isinstance(found, Kept), found
    assert found.operations > 2000


def test_the_example_keeps_it_when_run_without_compiling() -> None:
    found = play_all(plain(BUDDY.read_text())["RECORD"], {}, 1, 60, [4096])
    assert isinstance(found, Kept), found


# --- one broken allocator for each rule --------------------------------------------------------------------------------

# (rule, what is said of it, (line, the line instead), ...)
MUTANTS: list[tuple[Any, ...]] = [
    ("handle-range", "gave handle 10", ("return row - 1\n", "return row + 1000\n")),
    (
        "handle-fresh",
        "still has",
        ("row = take_row(obj, SIZE, num, HANDLES_USED, HANDLE_SPARE, num[HANDLE_LIMIT])", "row = num[HANDLES_USED] = 1"),
    ),
    ("errno", "answered -99999", ("return -p.ENOMEM", "return -99999")),
    ("sizes", "a page has", ("size > num[p.PAGE_SIZE]:", "size > 2 * num[p.PAGE_SIZE]:")),
    ("reuse", "only", ("    drop_row(obj, SIZE, num, HANDLE_SPARE, row)\n", "")),
    ("free", "answered 1, though it is live", ("return 0\n", "return 1\n")),
    (
        "double-free",
        "which is not live, answered 0",
        (" or obj[row, BLOCK] == 0:\n        return -p.EINVAL\n    b, size", ":\n        return -p.EINVAL\n    b, size"),
    ),
    (
        "double-free",
        "but OBJECTS went from",
        (
            "BLOCK] == 0:\n        return -p.EINVAL\n    b, size",
            "BLOCK] == 0:\n        num[p.OBJECTS] -= 1\n        return -p.EINVAL\n    b, size",
        ),
    ),
    ("objects", "OBJECTS is 1; 0 are live", ("    num[p.OBJECTS] -= 1\n", "")),
    ("payload", "the live objects have 1 byte", ("num[p.PAYLOAD] += size", "num[p.PAYLOAD] += size + 1")),
    ("identity", "add up to", (" - num[p.PAYLOAD] - num[p.LOST_INSIDE]", " - num[p.PAYLOAD]")),
    ("negative", "META_OUTSIDE is -64", ("= num[p.POOL_PAGES] * num[CHUNKS]", "= -num[p.POOL_PAGES] * num[CHUNKS]")),
    ("may-take", "took 1 pages by PAGES_TAKEN", ("        num[p.MAY_TAKE] -= 1\n", "")),
    ("may-take", "MAY_TAKE went from 0 to -1", (" if num[p.MAY_TAKE] > 0 else 0", "")),
    ("may-take", "create was given may_take=", ("page_size, may_take, lists - 1", "page_size, 10, lists - 1")),
    ("pages", "changed PAGES_RETURNED by -1", ("num[p.PAGES_RETURNED] += 1", "num[p.PAGES_RETURNED] -= 1")),
    ("pages", "more than PAGES_TAKEN", ("num[p.PAGES_RETURNED] += 1", "num[p.PAGES_RETURNED] += 2")),
    ("bounds", "used a row or a number", ("num[HANDLE_LIMIT] = max_pages, max", "num[HANDLE_LIMIT] = max_pages + 1, max")),
    (
        "max-pages",
        "the pool holds 6 pages; max_pages is 5",
        ("num[HANDLE_LIMIT] = max_pages, max", "num[HANDLE_LIMIT] = max_pages + 1, max"),
        ("np.zeros((max_pages + 1, 2)", "np.zeros((max_pages + 2, 2)"),
        ("(1 + max_pages * chunks, 4)", "(1 + max_pages * chunks + chunks, 4)"),
    ),
    ("pool-pages", "but the pool holds 0 pages", ("= num[p.PAGES_TAKEN] - num[p.PAGES_RETURNED]", "= num[p.PAGES_TAKEN]")),
    ("totals", "changed WALKED by 0, but OP_WALKED is", ("    num[p.WALKED] += num[p.OP_WALKED]\n", "")),
    ("stat", "stat answered 5", ("blocks, always_exact,", "blocks, lambda pool: 5,")),
    (
        "stat",
        "stat changed PAGES_RETURNED",
        ("blocks, always_exact,", "blocks, lambda pool: pool.num.__setitem__(p.PAGES_RETURNED, -1) or 0,"),
    ),
    ("failed-store", "but OBJECTS went from", ("        if q == 0:\n", "        if q == 0:\n            num[p.OBJECTS] += 1\n")),
    ("place", "is in page 1; the pool has taken 1 pages", ("= num[p.PAGES_TAKEN]\n        num", "= num[p.PAGES_TAKEN] + 1\n        num")),
    (
        "place",
        "in 2 different pages, but the pool holds 1",
        ("page[q, SERIAL] = num[p.PAGES_TAKEN]\n", "pass\n"),
        ("pool.page[1 + at // num[CHUNKS], SERIAL]", "min(handle, num[p.PAGES_TAKEN] - 1)"),
    ),
    ("offset", "begins at byte 4096", ("% num[CHUNKS] * 64", "% num[CHUNKS] * 64 + 4096")),
    ("offset", "reaches beyond the end of its page", ("% num[CHUNKS] * 64", "% num[CHUNKS] * 64 + 100")),
    ("overlap", "both begin at byte 0 of page 0", ("num, b + (1 << i), i)", "num, b, i)")),
    ("overlap", "reaches into object", ("num[CHUNKS] * 64\n", "num[CHUNKS] * 32\n")),
    (
        "lost",
        "blocks answers -22",
        (
            "row > num[HANDLES_USED] or obj[row, BLOCK] == 0:\n        return -p.EINVAL\n    at",
            "row > 2:\n        return -p.EINVAL\n    at",
        ),
    ),
    ("moves", "and MOVED grew by 0", ("num[CHUNKS] * 64\n", "num[CHUNKS] * 64 + (num[p.OBJECTS] > 1)\n")),
    ("compact", "compact answered 1, but PAGES_RETURNED grew by 0", ("free, no_compaction", "free, lambda pool, budget: 1")),
    ("exceptions", "alloc raised ZeroDivisionError", ("order = int64(0)\n", "order = 0 // (size % 2)\n")),
    (
        "determinism",
        "different numbers at the end",
        ("num[p.OP_COPIED] = size", "num[p.OP_COPIED] = len(SEEN.append(0) or SEEN)"),
        ("@inlined\ndef release", "SEEN = []\n\n\n@inlined\ndef release"),
    ),
    ("counters", "counters gave", ("lambda arrays: {}", "lambda arrays: []")),
    ("answers", "title gave", ('options: "buddy, an example"', 'options: "two\\nlines"')),
    (
        "create",
        "is to be an array of int32 with 2 dimensions",
        ("page = np.zeros((max_objects + 1, 2), np.int32)", "page = np.zeros((max_objects + 1, 2))"),
    ),
    ("create", "num[PAGE_SIZE] is 0", ("num[p.PAGE_SIZE], num[p.MAY_TAKE]", "num[60], num[p.MAY_TAKE]")),
    ("create", "create raised TypeError", ("max_objects, *, may_take=0", "max_objects")),
]  # fmt: skip

EVICTING: list[tuple[Any, ...]] = [
    (
        "evict-claim",
        "evict_begin answered -99999",
        ("    return p\n\n\n@inlined\ndef _is_claimed", "    return p if p else -99999\n\n\n@inlined\ndef _is_claimed"),
    ),
    ("evict-offer", "twice for page", ("        page[p, OFFERED] += 1\n", "        page[p, OFFERED] += row == 0\n")),
    ("evict-offer", "which is not live", ("            return row - 1\n    return -1", "            return row\n    return -1")),
    (
        "evict-offer",
        "answered -22",
        ("    if not _is_claimed(page, num, p):\n        return -EINVAL\n    while", "    if True:\n        return -EINVAL\n    while"),
    ),
    ("evict-done", "evict_done answered 7", ("    return int64(emptied)", "    return 7")),
    (
        "evict-left",
        "EVICT_LEFT went from",
        ("    num[EVICT_LEFT] -= 1\n    settle(num)\n    return int64", "    num[EVICT_LEFT] += 1\n    settle(num)\n    return int64"),
    ),
    ("evict-ends", "far fewer", ("    num[EVICT_LEFT] -= 1\n    settle(num)\n    return int64", "    settle(num)\n    return int64")),
    (
        "evict-store",
        "while it was being evicted",
        (
            "        p = int64(head[num[UNUSED]])\n        if p == 0:\n            return",
            "        p, num[60] = int64(num[60]), 0\n"
            "        if p != 0:\n            page[p, LEFT] = page[p, RIGHT] = 0\n            return p\n"
            "        if p == 0:\n            return",
        ),
        ("            page[p, OFFERED] = 0\n", "            page[p, OFFERED] = 0\n            num[60] = p\n"),
    ),
    ("lost", "blocks answers -22", ("    emptied = page", "    obj[page[p, LEFT], PAGE] = 0\n    emptied = page")),
]  # fmt: skip


def break_it(file: Path, changes: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    source = file.read_text()
    for old, new in changes:
        assert old in source, old
        source = source.replace(old, new)
    return plain(source)


def shown(found: Failure | Kept) -> Failure:
    assert isinstance(found, Failure), found
    assert found.rule in RULES
    return found


@pytest.mark.parametrize(("rule", "text", "changes"), [(m[0], m[1], m[2:]) for m in MUTANTS])
def test_a_broken_rule_is_named(rule: str, text: str, changes: Any) -> None:
    failure = shown(play_all(break_it(BUDDY, changes)["RECORD"], {}, 3, 200, [4096]))
    assert failure.rule == rule, failure
    assert text in failure.text, failure.text
    if failure.case is not None:
        assert len(failure.case.steps) <= 8, failure  # nothing is left that does not matter


@pytest.mark.parametrize(("rule", "text", "changes"), [(m[0], m[1], m[2:]) for m in EVICTING])
def test_a_broken_eviction_is_named(rule: str, text: str, changes: Any) -> None:
    failure = shown(play_all(break_it(ZBUD, changes)["ZBUD_ZCACHE1"], {}, 3, 200, [4096]))
    assert failure.rule == rule, failure
    assert text in failure.text, failure.text
    assert failure.case is not None and len(failure.case.steps) <= 6, failure


def a_python_function(pool: Any, size: int) -> int:
    return 0


RECORDS: list[tuple[Any, str, str]] = [
    ({"alloc": 1}, "record", "X is a dict, not an Allocator"),
    (
        XVMALLOC._replace(alloc=a_python_function),
        "record",
        "alloc is a plain Python function; it is to be compiled: @compiled(int64(pool_t, int64))",
    ),
    (XVMALLOC._replace(free=None), "record", "free is a NoneType"),
    (XVMALLOC._replace(blocks=XVMALLOC.alloc), "record", "the contract has int64(pool_t, int64, Numbers)"),
    (XVMALLOC._replace(create=None), "record", "create is a NoneType"),
    (XVMALLOC._replace(answers=lambda: 0), "answers", "answers is a function"),
    (ZBUD_ZCACHE1._replace(evict_done=None), "evict-record", "has evict_begin and evict_next, but not evict_done"),
    (ZBUD_ZCACHE1._replace(evict_next=XVMALLOC.stat), "record", "evict_next is compiled for"),
]  # fmt: skip


@pytest.mark.parametrize(("record", "rule", "text"), RECORDS)
def test_a_wrong_record_is_told(record: Any, rule: str, text: str) -> None:
    failure = shown(examine(record, "X", {}, 1, 1))
    assert failure.rule == rule
    assert text in failure.text
    assert failure.case is None


def test_the_records_of_the_registry_are_right() -> None:
    assert check_record(ZBUD_ZCACHE1, "zbud") is ZBUD_ZCACHE1


def test_a_reserve_that_is_touched_is_told() -> None:
    def create(page_size: int, max_pages: int, max_objects: int, may_take: int = 0) -> Any:
        arrays = XVMALLOC.create(page_size, max_pages, max_objects, may_take=may_take)
        arrays.block.fill(1)
        return arrays

    with pytest.raises(Broken, match=r"touched .* MiB of memory"):
        check_reserve(XVMALLOC._replace(create=create), 4096, {})
    check_reserve(XVMALLOC, 4096, {})


# --- generation and shrinking ------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_sequences() -> None:
    first, second = (list(generate(5, 30, [4096, 16384], True)) for _ in range(2))
    assert first == second
    assert first != list(generate(6, 30, [4096, 16384], True))
    assert {step.code for case in first for step in case.steps} == {"a", "f", "again", "stray", "limit", "c", "r"}


def test_what_is_left_is_the_shortest_with_the_smallest_numbers() -> None:
    """Broken: a store of 1000 bytes or more after a free of an earlier object."""
    case = next(case for case in generate(2, 100, [4096], False) if len(case.steps) == 120)

    def breaks(other: Case) -> bool:
        freed = False
        for step in other.steps:
            freed = freed or step.code == FREE
            if freed and step.code == STORE and step.size >= 1000:
                return True
        return False

    assert breaks(case)
    short = shrink(case, breaks)
    assert short.steps == (Step(FREE, 0), Step(STORE, 1, 1000))


# --- the command ---------------------------------------------------------------------------------------------------------


def conformance(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = execute(["conformance", *arguments])
    told = capsys.readouterr()
    assert "Traceback" not in told.out + told.err
    return status, told.out, told.err


def test_the_example(capsys: pytest.CaptureFixture[str]) -> None:
    """The file alone is enough if it describes one plug-in; so is a name."""
    status, out, err = conformance(capsys, str(BUDDY), "--sequences", "40")
    assert (status, err) == (0, "")
    assert f"{BUDDY}:BUDDY keeps the contract: 40 sequences of seed 1" in out
    assert "pages of 4, 16 and 64 KiB" in out
    assert conformance(capsys, f"{BUDDY}:BUDDY", "--sequences", "40")[1] == out


def mutant(tmp_path: Path, *changes: tuple[str, str]) -> str:
    source = BUDDY.read_text()
    for old, new in changes:
        assert old in source, old
        source = source.replace(old, new)
    path = tmp_path / "mine.py"
    path.write_text(source)
    return str(path)


def test_a_broken_plug_in_is_told_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = mutant(tmp_path, ("num, b + (1 << i), i)", "num, b, i)"))
    status, out, err = conformance(capsys, file, "--seed", "3")
    assert (status, err) == (1, "")
    lines = out.splitlines()
    assert lines[0] == f"{file}:BUDDY breaks a rule of the allocator contract (models/allocators/pool.py)"
    assert lines[1] == f"  rule: {RULES['overlap']} [overlap]"
    assert "object 0 (1 byte, handle 0) and object 1 (1 byte, handle 1) both begin at byte 0 of page 0" in lines[2]
    assert lines[-2:] == ["    a 0 1 -> handle 0, byte 0 of page 0", "    a 1 1 -> handle 1, byte 0 of page 0"]


def test_an_index_beyond_a_table_is_told_not_suffered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = mutant(tmp_path, ("num[HANDLE_LIMIT] = max_pages, max", "num[HANDLE_LIMIT] = max_pages + 1, max"))
    status, out, _ = conformance(capsys, file)
    assert status == 1 and "[bounds]" in out and "alloc used a row or a number that its tables do not have" in out


def test_a_call_that_never_ends_is_told_and_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.conformance.command.SEQUENCE_SECONDS", 3.0)
    file = mutant(tmp_path, ("        claim(block, head, num, other)\n", "        continue\n"))
    status, out, _ = conformance(capsys, file)
    assert status == 1 and "[ends]" in out
    assert "the call for 'freeing what is left' had not ended" in out or "the call for 'f 0' had not ended" in out
    assert 1 <= sum(line.startswith("    ") for line in out.splitlines()) <= 4, out


def test_a_process_that_dies_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = mutant(
        tmp_path,
        ("lambda arrays: {}", "counters"),
        ("ANSWERS = ", "def counters(arrays):\n    import os\n\n    os.kill(os.getpid(), 11)\n\n\nANSWERS = "),
    )
    status, out, _ = conformance(capsys, file)
    assert status == 1 and "[alive]" in out and "SIGSEGV" in out


def test_what_does_not_compile_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = mutant(tmp_path, ("    num[p.OBJECTS] += 1\n", "    num[p.OBJECTS] += undefined_name\n"))
    status, out, _ = conformance(capsys, file)
    assert status == 1 and "[compile]" in out and "undefined_name" in out and len(out.splitlines()) == 3


def test_every_rule_has_an_allocator_that_breaks_it() -> None:
    """In this file: in the tables, or in a test of its own."""
    tables = {rule for rule, *_ in MUTANTS + EVICTING} | {rule for _, rule, _ in RECORDS}
    assert tables | {"reserve", "ends", "alive", "compile"} == set(RULES)


@pytest.mark.parametrize(
    ("content", "name", "text"),
    [
        (None, "nix.py", "cannot read the plug-in"),
        (None, "nix.py:X", "expected a plug-in's file"),
        ("X = {\n", "mine.py", "not a Python file"),
        ("x = 1\n", "mine.py", "found none"),
        ("A = {'target': 'f'}\nB = {'target': 'f'}\nf = 1\n", "mine.py", "found 2 (A, B): say which"),
        ("A = {'target': 'f'}\n", "mine.py:A", "the file defines no f"),
        ("A = {'target': 'f'}\nf = 1 / 0\n", "mine.py:A", "ZeroDivisionError"),
        ("import nothing_like_it\nA = {'target': 'f'}\nf = 1\n", "mine.py", "nothing_like_it"),
        ("A = {'target': 'f', 'options': [{'name': 'n', 'type': 'int', 'default': '<required>'}]}\nf = 1\n", "mine.py", "n: found nothing"),
        (None, "xvmaloc", "did you mean xvmalloc"),
    ],
)
def test_wrong_input_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, name: str, text: str) -> None:
    if content is not None:
        (tmp_path / "mine.py").write_text(content)
    where = str(tmp_path / name) if ".py" in name else name
    status, out, err = conformance(capsys, where)
    assert (status, out) == (2, ""), out
    assert text in err, err
