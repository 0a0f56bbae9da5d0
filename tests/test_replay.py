"""`replay`: every line of the answers of the original allocators, small cases answered by the plain twins, and bad traces."""

from __future__ import annotations

import gzip
import io
import random
from pathlib import Path

import pytest

from models.allocators.registry import REGISTRY
from models.allocators.trace_text import LARGEST_ID
from sim.errors import UserError
from sim.replay import read_trace, replay, trace_name
from tests.twins.xcfmalloc import Xcfmalloc
from tests.twins.xvmalloc import Xvmalloc
from tests.twins.z3fold import Z3fold
from tests.twins.zbud import Zbud
from tests.twins.zbud_zcache1 import ZbudZcache1
from tests.twins.zsmalloc import Zsmalloc

ROOT = Path(__file__).resolve().parent.parent
ORACLE = ROOT.parent / "shared" / "oracle"
CASES = Path(__file__).parent / "oracle_cases"
TAGS = {
    "xvmalloc-2.6.37-align4": (lambda: Xvmalloc(align=4, step=8), "xvmalloc, Linux 2.6.37.6, 4-byte alignment"),
    "xvmalloc-3.0-align8": (lambda: Xvmalloc(align=8), "xvmalloc, Linux 3.0.43, 64-bit, 8-byte alignment"),
    "xcfmalloc-v1-32bit": (lambda: Xcfmalloc(rule="v1", header=32), "xcfmalloc v1 as posted 2011-08-31, 32-bit"),
    "xcfmalloc-v2-32bit": (lambda: Xcfmalloc(rule="v2", header=32), "xcfmalloc v2 selection rule, 32-bit"),
    "xcfmalloc-v2-64bit": (lambda: Xcfmalloc(rule="v2", header=64), "xcfmalloc v2 selection rule, 64-bit"),
    "zbud-3.1": (lambda: ZbudZcache1(), "zbud of zcache 1.0, Linux 3.1.10, 64-bit"),
    "zbud-6.1": (lambda: Zbud(), "zbud, Linux 6.1.192"),
    "z3fold-6.1": (lambda: Z3fold(), "z3fold, Linux 6.1.192, one cpu, background work drained after every operation"),
    "zsmalloc-3.6": (lambda: Zsmalloc("v3.6"), "staging zsmalloc, Linux 3.6, 64-bit"),
    "zsmalloc-6.1": (lambda: Zsmalloc("v6.1"), "zsmalloc, Linux 6.1.192 (Debian 6.1.192-2), max 4 pages per zspage"),
    "zsmalloc-6.12-chain8": (lambda: Zsmalloc("v6.12", 8), "zsmalloc, Linux 6.12.117 (Debian 6.12.117-1~deb12u1), chain size 8"),
}
SAY_WHY = {"zsmalloc-6.1", "zsmalloc-6.12-chain8"}  # beside those with evictions: they say why a request was refused


def answers(path: Path, tag: str) -> list[str]:
    out = io.StringIO()
    replay(path, tag, out)
    return out.getvalue().splitlines()


# --- the originals ---------------------------------------------------------------------------------------------------


def oracle_traces() -> list[Path]:
    return sorted((ORACLE / "traces").glob("*.trace.gz"))


@pytest.mark.skipif(not oracle_traces(), reason="no answers of the original allocators in ../shared/oracle")
@pytest.mark.parametrize("tag", TAGS)
def test_every_line_agrees_with_the_originals(tag):
    for path in oracle_traces():
        with gzip.open(ORACLE / "answers" / f"{trace_name(path)}.{tag}.ans.gz", "rt") as file:
            expected = file.read().splitlines()
        got = answers(path, tag)
        placed = [line for line in expected if line.startswith("a")]
        assert [line for line in got if line.startswith("a")][: len(placed)] == placed, path.name
        assert [line for line in got if not line.startswith("a")] == [line for line in expected if not line.startswith("a")], path.name


# --- small cases -----------------------------------------------------------------------------------------------------


def fnv(numbers: list[int]) -> str:
    value = 1469598103934665603
    for number in numbers:
        for byte in number.to_bytes(4, "little"):
            value = (value ^ byte) * 1099511628211 % 2**64
    return f"{value:016x}"


def twin_answers(text: str, tag: str, name: str) -> list[str]:
    """What the plain twin answers to a trace."""
    make, title = TAGS[tag]
    twin, pinned = make(), set()
    asks = isinstance(twin, Zbud | Z3fold)  # its eviction asks the owners
    says_why = asks or tag in SAY_WHY
    lines = [f"# {title}; PAGE_SIZE 4096; trace {name}"]
    for line in text.splitlines():
        word, *numbers = line.split() or ["#"]
        if word == "a":
            got = twin.alloc(int(numbers[0]), int(numbers[1]))
            failed = f"E{-got}" if says_why and isinstance(got, int) else "E"
            shown = failed if isinstance(got, int) else " ".join(f"{page} {offset}" for page, offset in got)
            lines.append(f"a {numbers[0]} {shown}")
        elif word == "f":
            twin.free(int(numbers[0]))
        elif isinstance(twin, Zsmalloc) and word in ("c", "r", "s"):
            lines += twin.answers(word)
        elif word in ("b", "u"):
            (pinned.add if word == "b" else pinned.discard)(int(numbers[0]))
        elif word == "c" and asks:
            lines.append("c -1 0")
        elif word == "r" and asks:
            lines.append(twin.reclaimed(int(numbers[0]), pinned))
        elif word == "s" and asks:
            lines += twin.printed()
        elif word == "r" and isinstance(twin, ZbudZcache1):
            lines.append(" ".join(["r :", *(str(who) for who, _ in twin.evict(int(numbers[0])))]))
        elif word == "s" and isinstance(twin, ZbudZcache1):
            lines.append(twin.printed())
        elif word == "s":
            counters = twin.counters() if isinstance(twin, Xcfmalloc) else {}
            lines.append(" ".join(["s", str(twin.tally()["pool_pages"]), *(f"{k}={v}" for k, v in counters.items())]))
        if word == "s":
            lines.append("D " + fnv([n for who in sorted(twin.objects) for place in twin.where(who) for n in (who, *place)]))
    return lines


def make_case(seed: int) -> str:
    """A trace with every kind of line: random sizes of one kind per seed, frees of what is live, failed or was evicted."""
    rng = random.Random(seed)
    size = {
        1: lambda: rng.randint(0, 4110),
        2: lambda: int(rng.gauss(3072, 60)),
        3: lambda: rng.choice([1, 28, 64, 104, 116, 1000, 2000, 2044, 4080, 4084, 4088, 4092]),
    }[seed]
    lines, ident, left = [f"# case{seed}: every kind of line, seed {seed}"], 0, []
    for step in range(600):
        if rng.random() < (0.65 if step < 350 else 0.4):
            lines.append(f"a {ident} {size()}")
            left.append(ident)
            ident += 1
        elif left:
            lines.append(f"f {left.pop(rng.randrange(len(left)))}")
        if step % 50 == 25:
            lines.append(rng.choice(["c", "r 3", f"b {rng.randint(0, ident)}", f"u {rng.randint(0, ident)}"]))
        if step % 150 == 149:
            lines.append("s")
    lines += [f"f {i}" for i in left] + ["s"]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("case", ["case1", "case2", "case3"])
def test_small_cases(case, tag):
    """Files, the twins and `replay` say the same."""
    path = CASES / f"{case}.trace"
    expected = (CASES / f"{case}.{tag}.ans").read_text().splitlines()
    assert twin_answers(path.read_text(), tag, case) == expected
    assert answers(path, tag) == expected
    assert path.read_text() == make_case(int(case[-1]))


def test_defaults_are_the_64_bit_versions(tmp_path):
    path = CASES / "case1.trace"
    assert answers(path, "xvmalloc") == answers(path, "xvmalloc-3.0-align8")
    assert answers(path, "xcfmalloc") == answers(path, "xcfmalloc-v2-64bit")
    assert answers(path, "zbud-zcache1") == answers(path, "zbud-3.1")
    assert answers(path, "zbud") == answers(path, "zbud-6.1")
    assert answers(path, "z3fold") == answers(path, "z3fold-6.1")
    assert answers(path, "zsmalloc") == answers(path, "zsmalloc-6.12-chain8")


def test_an_eviction_prints_what_was_lost_and_its_ids_are_dead(tmp_path):
    """Pins are not asked about; what was lost is not freed again, and no longer part of the hash."""
    path = tmp_path / "t.trace"
    path.write_text("a 0 1000\na 1 3904\na 2 1900\nb 0\nr 0\ns\nf 0\nf 2\ns\nr 1000000\nc\nr 1\ns\nf 1\nr 1\ns\n")
    title, *got = answers(path, "zbud-3.1")
    assert title == "# zbud of zcache 1.0, Linux 3.1.10, 64-bit; PAGE_SIZE 4096; trace t"
    one = f"D {fnv([1, 1, 128])}"
    assert got == [
        "a 0 0 128",
        "a 1 1 128",
        "a 2 0 2176",
        "r : 0 2",
        "s 2 raw_pages=2 zpages=1 zbytes=3904 buddied=0 unused=1 raw=0 unbud=0 bud=1",
        one,
        "s 2 raw_pages=2 zpages=1 zbytes=3904 buddied=0 unused=1 raw=0 unbud=0 bud=1",
        one,
        "r :",
        "r :",
        "s 1 raw_pages=1 zpages=1 zbytes=3904 buddied=0 unused=0 raw=1 unbud=0 bud=1",
        one,
        "r :",
        "s 0 raw_pages=0 zpages=0 zbytes=0 buddied=0 unused=0 raw=2 unbud=0 bud=1",
        "D 14650fb0739d0383",
    ]


def test_an_eviction_asks_about_pins_and_prints_refusals_and_its_result(tmp_path):
    path = tmp_path / "t.trace"
    path.write_text("a 0 1000\na 1 3000\na 2 1900\na 3 4000\nb 0\nr 1\ns\nc\nr 2\nf 0\nf 1\nr 0\nr 1\ns\n")
    _, *got = answers(path, "zbud-6.1")
    assert got == [
        "a 0 0 64",
        "a 1 0 1088",
        "a 2 1 64",
        "a 3 E28",
        "r : !0 2 = 0 1",
        "s 1",
        "l 1 1",
        f"D {fnv([0, 0, 64, 1, 0, 1088])}",
        "c -1 0",
        "r : !0 !0 !0 !0 !0 !0 !0 !0 = -11 0",
        "r : = -22 0",
        "r : = -22 0",
        "s 0",
        "l 0 0",
        "D 14650fb0739d0383",
    ]
    _, *got = answers(path, "z3fold-6.1")
    assert got[:5] == ["a 0 0 128", "a 1 1 128", "a 2 0 2176", "a 3 2 0", "r : 1 = 0 1"]
    assert got[5:9] == ["s 2", "l 2", "u 16 1", f"D {fnv([0, 0, 128, 2, 0, 2176, 3, 2, 0])}"]
    assert got[9:] == [
        "c -1 0",
        "r : !0 3 !0 !0 !0 !0 !0 !0 !0 !0 = -11 1",
        "r : = -22 0",
        "r : 2 = 0 1",
        "s 0",
        "l 0",
        "D 14650fb0739d0383",
    ]


def test_packed_or_not_is_seen_by_content(tmp_path):
    data = (CASES / "case2.trace").read_bytes()
    for name, content in (("case2.trace", gzip.compress(data, mtime=0)), ("case2.trace.gz", data)):
        path = tmp_path / name
        path.write_bytes(content)
        assert answers(path, "xcfmalloc") == answers(CASES / "case2.trace", "xcfmalloc")


def test_layout_of_lines_is_free(tmp_path):
    path = tmp_path / "t.trace"
    path.write_bytes(b"\n# a note\r\n  a 3\t100  \r\n\na 7 5000\nf 7\nb 268435455\nf 3\ns")
    assert answers(path, "xvmalloc") == [
        "# xvmalloc, Linux 3.0.43, 64-bit, 8-byte alignment; PAGE_SIZE 4096; trace t",
        "a 3 0 8",
        "a 7 E",
        "s 0",
        "D 14650fb0739d0383",
    ]


def test_a_list_of_sizes_is_a_trace(tmp_path):
    """Each size is stored in turn; 0 is not, what is above a page is stored raw; statistics at the end."""
    path, like = tmp_path / "sizes.txt", tmp_path / "sizes.trace"
    path.write_text("# as measured\n100\n0\n 5000 \n\n4096\n3000\n")
    like.write_text("a 0 100\na 1 4096\na 2 4096\na 3 3000\ns\n")
    for name in ("xcfmalloc", "zsmalloc-6.1"):
        assert answers(path, name) == answers(like, name)
        assert answers(path, name)[0].endswith("trace sizes")


def test_every_registered_name_can_be_replayed():
    for entry in REGISTRY:
        got = answers(CASES / "case1.trace", entry.name)
        assert got[0].endswith("; PAGE_SIZE 4096; trace case1")
        assert sum(line.startswith("a ") for line in got) == read_trace(CASES / "case1.trace").allocs


def test_more_operations_than_a_batch(tmp_path):
    """Batches end in the middle of anything."""
    path = tmp_path / "many.trace"
    path.write_text("".join(f"a {i} {i % 4000}\n" + (f"f {i // 2}\n" if i % 2 else "s\n" if i % 700 == 0 else "") for i in range(60_000)))
    got = answers(path, "xvmalloc")
    twin_part = path.read_text().splitlines()[:5000]
    expected = twin_answers("\n".join(twin_part), "xvmalloc-3.0-align8", "many")
    assert got[: len(expected)] == expected
    assert sum(line.startswith("a ") for line in got) == 60_000
    assert [line.split()[1] for line in got if line.startswith("a ")] == [str(i) for i in range(60_000)]


# --- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "where", "what"),
    [
        (b"", "", "empty"),
        (b"# only a note\n\n", "", "no operation"),
        (b"a 0 100\nz 1\n", ":2:", "unknown operation"),
        (b"a 0 100\na 1\n", ":2:", "not an operation"),
        (b"a 0 100\na 1 \n", ":2:", "not an operation"),
        (b"a 0 100 7\n", ":1:", "not an operation"),
        (b"a0 100\n", ":1:", "not an operation"),
        (b"a 0 1e3\n", ":1:", "not an operation"),
        (b"a 0 10.5\n", ":1:", "not an operation"),
        (b"# x\ns 3\n", ":2:", "not an operation"),
        (b"f\n", ":1:", "not an operation"),
        (b"r x\n", ":1:", "not an operation"),
        (b"a 0 -5\n", ":1:", "negative"),
        (b"f -1\n", ":1:", "negative"),
        (b"a 0 2147483648\n", ":1:", "too large"),
        (b"a 0 99999999999999999999999999\n", ":1:", "too large"),
        (f"a {LARGEST_ID + 1} 5\n".encode(), ":1:", "too large"),
        (b"a 0 1\na 1 1\na 1 1\n", ":3:", "count up"),
        (b"a 5 1\ns\nf 5\na 4 1\n", ":4:", "count up"),
        (b"a 0 100\n\x7fELF\x02\x01\n", ":2:", "binary"),
        (b"a 0 100\n# x\n\nf 0\ns\nf 0\n", ":6:", "object 0 was freed before: 'f 0'"),
        (b"a 0 100\n f 1\na 1 100\n", ":2:", "object 1 was not allocated before: 'f 1'"),
        (b"f 0\n", ":1:", "object 0 was not allocated before"),
        (b"a 5 100\nf 268435455\n", ":2:", "object 268435455 was not allocated before"),
        (b"# sizes\n100\n\n-3\n", ":4:", "not a size"),
        (b"100\na 0 5\n", ":2:", "not a size"),
        (b"100\n12345678901\n", ":2:", "not a size"),
        (b"\x00\x01\x02\x03", ":1:", "binary"),
        ("a 0 100\na 1 ١\n".encode(), ":2:", "binary"),
        (b"\x1f\x8b\x08\x00garbage that is no gzip", "", "gzip"),
        (gzip.compress(b"a 0 100\n" * 100, mtime=0)[:-12], "", "too early"),
        (gzip.compress(b"", mtime=0), "", "empty"),
    ],
)
def test_bad_traces_are_told_with_file_and_line(tmp_path, content, where, what):
    path = tmp_path / "bad.trace"
    path.write_bytes(content)
    out = io.StringIO()
    with pytest.raises(UserError) as error:
        replay(path, "xvmalloc", out)
    assert str(error.value).startswith(f"{path}{where or ':'}")
    assert what in str(error.value)
    assert "\n" not in str(error.value)
    assert out.getvalue() == ""


def test_files_that_cannot_be_read(tmp_path):
    for path in (tmp_path / "absent.trace", tmp_path):
        with pytest.raises(UserError, match="cannot read"):
            replay(path, "xvmalloc", io.StringIO())


def test_unknown_allocator_names_the_nearest():
    with pytest.raises(UserError, match=r"allocator: .*xvmalloc.*did you mean xcfmalloc"):
        replay(CASES / "case1.trace", "xcfmaloc", io.StringIO())
    with pytest.raises(UserError, match="expected one of"):
        replay(CASES / "case1.trace", "", io.StringIO())


def test_an_allocator_of_ones_own_is_a_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from models.allocators.xvmalloc import XVMALLOC as BASE\n"
        "RECORD = BASE._replace(answers=BASE.answers._replace(title=lambda page_size, options: f'mine {options}', errno=True))\n"
        "MINE = {'target': 'RECORD', 'doc': 'my own', 'preset': {'align': 4}}\n"
    )
    got = answers(CASES / "case1.trace", f"{file}:MINE")
    like = answers(CASES / "case1.trace", "xvmalloc-2.6.37-align4")
    assert got[0] == "# mine {'align': 4}; PAGE_SIZE 4096; trace case1"
    assert [line.partition("E")[0] for line in got[1:]] == [line.partition("E")[0] for line in like[1:]]
    assert any(line.endswith(" E22") for line in got)
    with pytest.raises(UserError, match=r"mine\.py"):
        replay(CASES / "case1.trace", f"{file}:YOURS", io.StringIO())
