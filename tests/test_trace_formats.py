"""Every trace format as one stream of references: what is recognised, which columns it has, what is left out, what is refused."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.errors import InputError
from models.workloads.stream import SLEEP
from sim.cachesim.trace import Trace, load
from sim.cli import CACHE_FORMATS, execute
from sim.traces.formats import NAMES
from sim.traces.reading import ALL, Reading, opened

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


def write(folder: Path, content: str | bytes, name: str = "trace") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def keys(trace: Trace) -> list[int]:
    assert trace.keys is not None
    return [int(key) for key in trace.keys[trace.ids]]


def column(trace: Trace, name: str) -> list[int] | None:
    found = getattr(trace, name)
    return None if found is None else list(found.tolist())


def everything(
    path: Path, wanted: str = "auto", **options: Any
) -> tuple[str, list[int], list[int] | None, list[int] | None, list[int] | None]:
    """(format, keys, time, write, size)"""
    trace = load(path, wanted, columns=ALL, reading=Reading(**options))
    bare = load(path, wanted, reading=Reading(**options))
    assert bare.time is None and bare.write is None and bare.size is None and keys(bare) == keys(trace)
    return trace.format, keys(trace), column(trace, "time"), column(trace, "write"), column(trace, "size")


def oracle(rows: list[tuple[int, int, int, int]]) -> bytes:
    return b"".join(struct.pack("<IQIq", *row) for row in rows)


ORACLE = [(1, 7, 100, 2), (1, 2**64 - 1, 5, -1), (4, 7, 100, -1)]


def test_the_names_are_one_list() -> None:
    assert CACHE_FORMATS == NAMES and len(set(NAMES)) == len(NAMES)


def test_object_columns(tmp_path: Path) -> None:
    big = 2**64 - 1
    assert everything(write(tmp_path, oracle(ORACLE))) == ("oracleGeneral", [7, big, 7], [10**9, 10**9, 4 * 10**9], None, [100, 5, 100])
    assert everything(write(tmp_path, f"time,obj_id,size\n1,7,100\n2,{big},5\n")) == ("csv", [7, big], [1, 2], None, [100, 5])
    assert everything(write(tmp_path, "5;w;1.5;x\n6;r;2;y\n"), columns=("id", "op", "time", "-"), time_unit="us") == (
        "csv", [5, 6], [1500, 2000], [1, 0], None,
    )  # fmt: skip
    assert everything(write(tmp_path, "1 2 3\n4 5 6\n"), columns=("-", "id", "size")) == ("csv", [2, 5], None, None, [3, 6])


def test_page_accesses_and_block_io(tmp_path: Path) -> None:
    """By hand: addresses are pages of 4 KiB; 8 sectors are a page, a request across two pages is two references; devices keep apart."""
    assert everything(write(tmp_path, "I  04000,3\n L 5ffc,8\nI  04003,3\n S 5000,8\n")) == (
        "lackey",
        [5, 6, 5],
        [0, 0, 0],
        [0, 0, 1],
        None,
    )
    assert everything(write(tmp_path, "0 r 4096\n10 w 0x1fff\n")) == ("text", [1, 1], [0, 10], [0, 1], None)
    assert everything(write(tmp_path, "r 9\nw 3\n")) == ("text", [9, 3], None, [0, 1], None)
    second = 1 << 48
    assert everything(write(tmp_path, "0 3 0 8 0\n5 1 7 2 1\n9 3 16 8 1\n")) == (
        "mqsim", [0, second, second + 1, 2], [0, 5, 5, 9], [1, 0, 0, 0], None,
    )  # fmt: skip
    assert everything(write(tmp_path, "time,offset,size,op\n1,4095,2,w\n"), "csv") == ("csv", [0, 1], [1, 1], [1, 1], None)
    assert everything(write(tmp_path, "8 8 w\n"), "text") == ("text", [1], None, [1], None)


MSR = "128166372003061629,hm,1,Read,4096,512,41286\n128166372003061639,hm,0,Write,8191,2,9\n"
BLKPARSE = """  8,0    3        1     0.000000000   697  Q   W 8 + 8 [kjournald]
  8,0    3        2     0.000001829   697  G   W 8 + 8 [kjournald]
  8,0    3        0     0.000002000     0  m   N cfq697 insert_request
  8,16   3        3     0.000002500   697  Q  RM 16 + 8 [ls]
  8,0    3        4     0.000003000   697  Q FWS [kjournald]
  8,0    3        5     0.000003500   697  Q   D 800 + 8 [fstrim]
  8,0    1        6     1.500000000   697  Q RA 24 + 1 [ls]
CPU1 (8,0):
 Reads Queued:           1,        0KiB  Writes Queued:           1,        4KiB
"""


def vscsi(version: int, rows: list[tuple[int, int, int, int]]) -> bytes:
    """Of (command, length, block, us)."""
    if version == 1:
        return b"".join(struct.pack("<IIIHHQQ", n, size, 1, op, 0x100 | n, block, us) for n, (op, size, block, us) in enumerate(rows))
    return b"".join(struct.pack("<HHIIIQQQ", op, 0x200 | n, n, size, 1, block, us, 77) for n, (op, size, block, us) in enumerate(rows))


SCSI = [(0x28, 4096, 8, 5), (0x2A, 8192, 20, 6), (0x00, 0, 0, 7), (0x88, 0, 1, 8), (0x8A, 512, 8, 9)]


def test_block_io_of_others(tmp_path: Path) -> None:
    second = 1 << 48
    assert everything(write(tmp_path, MSR)) == ("msr", [1, second + 1, second + 2], [0, 1000, 1000], [0, 1, 1], None)
    assert everything(write(tmp_path, BLKPARSE)) == (
        "blkparse", [1, second + 2, 3], [0, 2500, 1_500_000_000], [1, 0, 0], None,
    )  # fmt: skip
    for version in (1, 2):
        assert everything(write(tmp_path, vscsi(version, SCSI))) == (
            "vscsi", [1, 2, 3, 4, 1], [5000, 6000, 6000, 6000, 9000], [0, 1, 1, 1, 1], None,
        )  # fmt: skip


def test_the_machine_takes_them_too(tmp_path: Path) -> None:
    from tests.test_io_trace import read

    for content in (MSR, BLKPARSE, vscsi(1, SCSI), vscsi(2, SCSI)):
        assert sum(op != SLEEP for op, _, _ in read(write(tmp_path, content))) >= 2


PERF = """              pf 30/31 50871.776507:          1 page-faults:     7f0000005018
              pf 30/32 50871.776535: page-faults:u:     7f0000006018     7f77b1133b70 _start+0x0 (/usr/lib/ld.so)
\t    7f77b1133b70 _start+0x0 (/usr/lib/ld.so)

            a -b 40/40 [001] 50872.000000: exceptions:page_fault_user: address=0x7f0000005fff ip=0x401000 error_code=0x6
              pf 30/31 50873.000000: exceptions:page_fault_kernel: address=0xffffffff81000000 ip=0x401000 error_code=0x0
              pf 30/31 50873.000001: sched:sched_switch: prev_comm=x
"""
FTRACE = """# tracer: nop
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
            cp-7       [000] d..1.  1.500000: mm_filemap_add_to_page_cache: dev 8:1 ino 1a pfn=0x99 ofs=8192 order=1
            cp-7       [000] .....  1.600000: mm_filemap_delete_from_page_cache: dev 8:1 ino 1a pfn=0x99 ofs=8192 order=1
   kworker/0:1-8   (  7) [001] d..1.  1.700000: mm_filemap_get_pages: dev=8:1 ino=1b ofs=4096-12287
            cp-7       [000] d..1.  1.800000: mm_filemap_fault: dev=8:1 ino=1a ofs=12288
            old-7      [000] d..1   1.900000: mm_filemap_add_to_page_cache: dev 8:1 ino 1a page=00000000c0ffee pfn=5 ofs=0
"""


def test_perf_and_ftrace(tmp_path: Path) -> None:
    page, space, ns = 0x7F0000005, 1 << 45, 10**9
    assert everything(write(tmp_path, PERF)) == (
        "perf", [page, page + 1, space + page], [50871776507000, 50871776535000, 50872 * ns], [0, 0, 1], None,
    )  # fmt: skip
    assert everything(write(tmp_path, FTRACE)) == (
        "perf", [2, 3, space + 1, space + 2, 3, 0], [tenth * ns // 10 for tenth in (15, 15, 17, 17, 18, 19)],
        [0] * 6, None,
    )  # fmt: skip
    for line, message in (
        ("pf 30 1.000000: 1 page-faults: ffffffff817554ea elf_load+0x28a ([kernel])", "the line has no address: expected perf record -d"),
        ("cp 30 1.000000: filemap:mm_filemap_fault: dev=8:1 ofs=0", "expected dev MAJOR:MINOR ino"),
        ("cp 30 1.000000: filemap:mm_filemap_fault: dev=8:1 ino=1 ofs=99999999999999999999", "pages of a file below"),
        ("pf 30 1.000000: page_fault_user: ip=0x1", "expected address=... ip=... error_code=..."),
        ("pf 30 1.000000: page-faults: 1ffffffffffffffff", "the address is beyond 2"),
        ("pf 30 1.000000: sched:sched_switch: x", "there is no page fault"),
        ("pf 30 2.000000: page-faults: 5000\npf 30 0.5: page-faults: 5000", ":2: expected a line of perf"),
        ("pf 30 2.000000: page-faults: 5000\npf 30 0.500000: page-faults: 5000", ":2: the time lies"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            load(write(tmp_path, line))


def damo(*snapshots: tuple[Any, Any, list[Any]], target: int = 1) -> dict[str, Any]:
    rows = [
        {"start_time": a, "end_time": b, "regions": [{"start": s, "end": e, "nr_accesses": n} for s, e, n in r]} for a, b, r in snapshots
    ]
    return {"kdamond_idx": 0, "context_idx": 0, "target_id": target, "snapshots": rows}


def test_damon(tmp_path: Path) -> None:
    """By hand: two rounds over one region, one over another, none over a third; a second target beside it."""
    regions = [("4,096", "12,288", {"samples": 2, "percent": None}), (16384, 20480, 1), (0, 4096, {"samples": 0})]
    second = 1 << 45
    record = [damo(("1,000", 2000, regions), (2000, 3000, [(4096, 8192, 1)])), damo((1400, 1600, [(4096, 8192, 1)]), target=2)]
    plain = json.dumps(record).encode()
    for data in (plain, zlib.compress(plain), gzip.compress(json.dumps(record, indent=4).encode())):
        assert everything(write(tmp_path, data)) == (
            "damon", [1, 2, 4, second + 1, 1, 2, 1], [1000, 1000, 1000, 1400, 1500, 1500, 2000], None, None,
        )  # fmt: skip
    packed = zlib.compress(plain)
    for data, message in (
        (packed[:-6], "the zlib data is cut off"), (packed[:2] + b"\xff" * 9, "damaged zlib"), (b'[{"snapshots": [}', ":1: not a DAMON"),
        (b"[" * 100_000, "not a DAMON record"), (b'{"snapshots": 3}', "record 0: not a DAMON"), (b"[7]", "record 0"), (b"\xff", "JSON"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            load(write(tmp_path, data), "damon")
    for record, message in (
        (damo((5, 4, [])), "snapshot 0: expected start_time"), (damo(), "no region with accesses"), (damo((-1, 4, [])), "snapshot 0"),
        (damo((1, 4, [(0, 1 << 65, 1)])), "snapshot 0, region 0: expected"), (damo((1, 4, [(0, 4096, None)])), "region 0: expected"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            load(write(tmp_path, json.dumps(record)), "damon")
    bad = damo((1, 4, [(0, 4096, 1), (0, 1 << 65, 1), (-5, 5, 1), (8192, 9000, True), (8192, 9000, 1)]), (9, 8, []))
    assert keys(load(write(tmp_path, json.dumps(bad)), lenient=True)) == [0, 2]


def test_damon_of_others() -> None:
    """A real record: snapshots and regions as counted, and the first references against a plain reading."""
    path = SHARED / "damon-gpl2" / "damon.data"
    if not path.is_file():
        pytest.skip("no ../shared/data: damon.data is not at hand")
    from models.workloads.readers.damon import _snapshots

    whole = json.loads(zlib.decompress(path.read_bytes()))[0]["snapshots"]
    assert len(whole) == 543 and sum(len(snapshot["regions"]) for snapshot in whole) == 9773
    found = _snapshots(path, None)
    plain = [
        sum((int(r["end"].replace(",", "")) - int(r["start"].replace(",", ""))) // 4096 * r["nr_accesses"]["samples"] for r in s["regions"])
        for s in whole
    ]
    assert [sum(r.pages * r.samples for r in s.regions) for s in found] == plain
    block = next(opened(path, "auto", Reading()).blocks(ALL))
    assert block.time is not None and block.time[0] == int(next(s["start_time"] for s, n in zip(whole, plain, strict=True) if n))


MASIM = """#regions
# name, length, data file
a, 16384, none
b, 8193, none
c, 4096

# phase 1
first phase
1
# access patterns
a, 0, 4096, 1, ro
b, 1, 64, 0

second
2
b, 0, 2048, 3, rw
a, 1, 64, 1
"""


def test_masim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand: 1 ms at 100 ns are 10,000 accesses, in order and read; then three batches of b, written, for one of a at random."""
    path = write(tmp_path, MASIM)
    monkeypatch.setattr("models.workloads.masim.BATCH", 50)
    form, page, time, writes, _ = everything(path)
    assert form == "masim" and time == list(range(0, 3_000_000, 100))
    assert page[:10_000] == [0, 1, 2, 3] * 2500 and writes == [0] * 10_000 + [1] * 20_000
    of_b = [p for p in page[10_000:] if p >= 4]
    assert of_b[:12] == [4, 4, 5, 5, 6, 4, 4, 5, 5, 6, 4, 4] and 0.6 < len(of_b) / 20_000 < 0.9
    of_a = [p for p in page[10_000:] if p < 4]
    assert len(of_a) % 50 == 0 and 0.2 < of_a.count(3) / len(of_a) < 0.3
    assert everything(path) == (form, page, time, writes, None)


def test_masim_in_the_machine(tmp_path: Path) -> None:
    from models.registry import resolve
    from models.workloads.stream import Context
    from sim.config.parts import Pattern

    part = Pattern("masim", file=str(write(tmp_path, MASIM)), think="1us", batch=10, processes=2)
    program = resolve(part.entry.target)(part.options, Context(16384, np.random.SeedSequence(1)))
    assert [process.pages for process in program.processes] == [1, 3, 3] and program.processes[1].ops == 3000
    one, two = ([np.concatenate(c) for c in zip(*process.chunks(), strict=True)] for process in program.processes[1:])
    assert len(one[0]) == 3000 and set(one[1][:1000].tolist()) == {0} and set(one[2].tolist()) == {1000}
    assert set(one[1].tolist()) == {0, 1} and one[1].tolist() != two[1].tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("a, 16384, none", "a"), ":3: expected a region"), (("16384", "-5"), ":3: expected a region"),
        (("16384", "99999999999999999999"), ":3: expected a region"), (("b, 8193", "a, 8193"), ":1: not a masim configuration"),
        (("\n1\n", "\n-1\n"), ":9: expected the length of the phase in ms"), (("a, 0, 4096, 1, ro", "z, 0, 4096, 1"), ":11: expected"),
        (("1, ro", "1, xo"), ":11: expected region"), (("0, 4096, 1", "0, 0, 1"), ":11: expected region"),
        (("1, ro", "0, ro"), ":8: phase 'first phase' has no pattern"), ((MASIM[MASIM.index("# phase 1") :], ""), ":5: expected phases"),
        (("b, 0, 2048, 3, rw\na, 1, 64, 1\n", ""), ":14: expected a phase"),
    ],
)  # fmt: skip
def test_bad_masim(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = write(tmp_path, MASIM.replace(*change, 1))
    with pytest.raises(InputError, match=message):
        load(path, "masim")


def test_lenient_masim(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, MASIM.replace("b, 1, 64, 0", "b, 1, 64, 0\nzzz\na, 2, 1, 1"))
    assert load(path, lenient=True).distinct == 7 and "2 bad records" in capsys.readouterr().err


def test_the_machine_takes_ids_as_pages(tmp_path: Path) -> None:
    from models.workloads import trace as workload
    from models.workloads.stream import Context
    from tests.test_trace_mpt2 import OPTIONS

    for content, form, pages in (
        (oracle([(1, 7, 1, 2), (1, 9, 5, -1), (4, 7, 1, -1)]), "oracleGeneral", [0, 1, 0]), ("5\n*\n3\n5\n", "lirs", [1, 0, 1]),
        (b"\0\0\0\2\0\0\0\1", "cache2k", [1, 0]),
    ):  # fmt: skip
        options = {**OPTIONS, "file": str(write(tmp_path, content)), "format": form}
        (process,) = workload.build(options, Context(4096, np.random.SeedSequence(1))).processes
        op, page, cpu = (np.concatenate(column) for column in zip(*process.chunks(), strict=True))
        assert page[op != SLEEP].tolist() == pages
        assert (int(cpu.sum()) == 3 * 10**9) is (form == "oracleGeneral")
    path = write(tmp_path, oracle([(1, 2**63, 1, -1)]))
    with pytest.raises(InputError, match="cannot be a page number"):
        workload.build({**OPTIONS, "file": str(path)}, Context(4096, np.random.SeedSequence(1)))


def test_large_requests_are_split_in_parts(tmp_path: Path) -> None:
    """A million pages and more at once, and many such requests."""
    path = write(tmp_path, "sector,sectors,op\n" + "0,8388600,r\n" * 2 + "8,8,w\n", "t.csv")
    trace = load(path, columns=ALL)
    pages = 8388600 // 8
    assert trace.distinct == pages and len(trace.ids) == 2 * pages + 1 and trace.write is not None and trace.write.sum() == 1


def test_zstd_in_frames(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    pack = zstandard.ZstdCompressor().compress
    text = "".join(f"{n}\n" for n in range(200_000)).encode()
    whole = pack(text[:600_000]) + pack(b"") + pack(text[600_000:])
    assert load(write(tmp_path, whole)).distinct == 200_000
    for cut in (len(whole) - 3, len(pack(text[:600_000])) - 5):
        with pytest.raises(InputError, match="zstd data is cut off after"):
            load(write(tmp_path, whole[:cut]))
    with pytest.raises(InputError, match="damaged zstd"):
        load(write(tmp_path, whole + b"abcdefgh"))


LENIENT: dict[str, tuple[str | bytes, str, list[int], int, str]] = {
    "ids": ("1\nx\n2\n-3\n18446744073709551616\n4", "lirs", [1, 2, 4], 3, ":2: expected one id"),
    "objects": ("id,size\n1,5\n2\n18446744073709551616,1\n3,x\n-1,0\n4,6\n", "csv", [1, 4], 4, ":3: expected 2 columns"),
    "pages": ("1 r 0\n-1 r 0\n2 x 0\n3 r 4096\n4 r 99999999999999999999\n", "text", [0, 1], 3, ":2: column 1: expected a time"),
    "lackey": (" L 1000,8\nhello\n S 2000,8\n", "lackey", [1, 2], 1, ":2: expected a line of lackey"),
    "block I/O": ("0 0 0 8 0\n1 0 8 0 0\n2 0 8 8 7\n3 0 16 8 1\n5 0\n", "mqsim", [0, 2], 3, ":2: column 4"),
    "cut off": (oracle(ORACLE) + b"abc", "oracleGeneral", [7, 2**64 - 1, 7], 1, "at byte 72: the last record is cut off"),
    "time falls": (oracle([*ORACLE, (2, 9, 1, -1), (4, 8, 1, -1)]), "oracleGeneral", [7, 2**64 - 1, 7, 8], 1, "byte 72: "),
    "msr": (f"{MSR}1,hm,0,Read,0,512,1\n{MSR.split()[0].replace('512', '0')}\n7", "msr", [1, 2**48 + 1, 2**48 + 2], 3, ":3: column 1"),
    "blkparse": (BLKPARSE.replace("G", "Q").replace("+ 8 [ls]", "8") + "x", "blkparse", [1, 1, 3], 1, ":4: expected a line of blkparse"),
    "vscsi": (vscsi(1, [*SCSI, (0x28, 1, 1 << 60, 9), (0x28, 1, 0, 2**63)]) + b"x", "vscsi", [1, 2, 3, 4, 1], 3, "at byte"),
    "mixed": (vscsi(2, SCSI) + BLKPARSE.encode()[:40] + vscsi(2, SCSI)[:39], "vscsi", [1, 2, 3, 4, 1], 2, "at byte 200: exp"),
    "half an id": (b"\0\0\0\1\0\0\0\2\0\0", "cache2k", [1, 2], 1, "at byte 8: the last record"),
}  # fmt: skip


@pytest.mark.parametrize("case", LENIENT)
def test_bad_records_are_refused_or_left_out(tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]) -> None:
    content, form, good, bad, message = LENIENT[case]
    path = write(tmp_path, content)
    with pytest.raises(InputError) as error:
        load(path, form, columns=ALL)
    assert message in str(error.value) and str(error.value).startswith(str(path))
    assert keys(load(path, form, columns=ALL, lenient=True)) == good
    said = capsys.readouterr().err
    assert said.startswith(f"{path}: {bad} bad records or lines left out; the first: {path}") and message in said


def test_lenient_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong lines at every place of a block; columns that are kept beside the others stay in step."""
    monkeypatch.setattr("models.workloads.readers.lines.BLOCK_BYTES", 37)
    rows = [(n, n * 3 % 50, n % 9) for n in range(400)]
    lines = [f"{t},{page},{size}\n" if n % 7 else "wrong\n" for n, (t, page, size) in enumerate(rows)]
    trace = load(write(tmp_path, "time,id,size\n" + "".join(lines)), columns=ALL, lenient=True)
    good = [row for n, row in enumerate(rows) if n % 7]
    assert list(zip(column(trace, "time") or [], keys(trace), column(trace, "size") or [], strict=True)) == good
    monkeypatch.undo()
    monkeypatch.setattr("models.workloads.readers.lines.BLOCK_BYTES", 41)
    lines = [f"{t} {page % 3} {page * 8} 8 {size & 1}\n" if n % 7 else "wrong\n" for n, (t, page, size) in enumerate(rows)]
    trace = load(write(tmp_path, "0 0 0 8 0\n" + "".join(lines)), "mqsim", columns=ALL, lenient=True)
    assert [key & 0xFFFF for key in keys(trace)] == [0, *(page for _, page, _ in good)]
    assert column(trace, "write") == [1, *(1 - (size & 1) for _, _, size in good)]


def test_the_command_says_what_it_leaves_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, "1\n2\nx\n1\n")
    command = ["cache", str(path), "--policy", "lru", "--pages", "1"]
    assert execute(command) == 2
    assert execute([*command, "--lenient"]) == 0
    assert "1 bad records or lines left out" in capsys.readouterr().err
    path = write(tmp_path, "a 5 1\nb 6 2\n")
    assert execute([*command, "--columns", "-,id,time", "--time-unit", "s"]) == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(
    st.binary(max_size=300) | st.text("0123456789 rwLSIM+-,.:;/#*[]()=>x\n", max_size=300).map(str.encode),
    st.sampled_from(NAMES),
    st.booleans(),
)
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes, form: str, lenient: bool) -> None:
    path = write(tmp_path, content)
    try:
        trace = load(path, form, columns=ALL, lenient=lenient)
    except InputError as error:
        assert str(path) in str(error)
        return
    assert len(trace.ids) and trace.distinct == len(np.unique(trace.ids))
    for found in (trace.time, trace.write, trace.size):
        assert found is None or len(found) == len(trace.ids)
    assert trace.time is None or bool(np.all(np.diff(trace.time) >= 0))


def samples(folder: Path) -> dict[str, bytes]:
    """A good file of every format."""
    from tests.test_trace_mpt2 import put

    rows = [(k % 7, k, k & 1, 9) for k in range(20)]
    text = {
        "text": "".join(f"{t} r {key * 4096}\n" for key, t, _, _ in rows), "csv": "time,id,size\n1,7,100\n2,8,5\n", "lirs": "1\n*\n2\n1\n",
        "lackey": "==1== x\nI  04000,3\n L 5ffc,8\n S 5000,8\n", "mqsim": "0 3 0 8 0\n5 1 7 2 1\n", "msr": MSR, "blkparse": BLKPARSE,
        "perf": PERF,
        "masim": MASIM, "damon": json.dumps([damo((1000, 2000, [("4,096", "12,288", {"samples": 2}), (16384, 20480, 1)]))]),
    }  # fmt: skip
    binary = {
        "oracleGeneral": oracle(ORACLE),
        "cache2k": bytes(range(4)) * 4,
        "vscsi": vscsi(2, SCSI),
        "mpt": put(folder / "m", rows).read_bytes(),
    }
    return {**{name: content.encode() for name, content in text.items()}, **binary}


def test_there_is_a_sample_of_every_format(tmp_path: Path) -> None:
    found = samples(tmp_path)
    assert set(found) == set(NAMES) - {"auto"}
    for name, content in found.items():
        assert load(write(tmp_path, content), name).format in (name, "text")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(st.sampled_from(NAMES[1:]), st.sampled_from(NAMES[1:]), st.data(), st.booleans())
def test_damaged_and_mixed_files(tmp_path: Path, name: str, other: str, data: st.DataObject, lenient: bool) -> None:
    """A good file with a part of another format, or of nothing in particular, in its middle; read as what it was and as what it seems."""
    good = samples(tmp_path)
    begin, end = sorted(data.draw(st.tuples(st.integers(0, len(good[name])), st.integers(0, len(good[name])))))
    part = data.draw(st.sampled_from([good[other], b"", b"\n", b"-1", b"99999999999999999999", b"\xff\0"]) | st.binary(max_size=9))
    path = write(tmp_path, good[name][:begin] + part + good[name][end:])
    for wanted in (name, "auto"):
        try:
            trace = load(path, wanted, columns=ALL, lenient=lenient)
        except InputError as error:
            assert str(path) in str(error)
        else:
            assert len(trace.ids) and int(trace.ids.max()) < trace.distinct and (trace.time is None or int(trace.time.min()) >= 0)
