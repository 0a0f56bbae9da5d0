"""The table of a sweep: what it keeps, in any order and through kills; its filter language; what goes wrong, in words."""

from __future__ import annotations

import contextlib
import math
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sim.errors import UserError
from sim.table import Row, Table, layout
from sim.table.place import on_network
from sim.table.quantity import Quantity, in_unit, quantity

ROOT = Path(__file__).resolve().parent.parent
KEYS = ("backend.kind", "machine.memory", "replications")  # the last one is also a fixed column
METRICS = ("run_time", "pgfault", "device.disk.reads", "device.Disk.reads", "nobody.knows")  # two differ in a capital only


def make(path: Path, **more: Any) -> Table:
    return Table.create_or_open(path, "abc", "1.0", **more)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sweep.sqlite"


def planned(path: Path, *memory: str, key: str = "machine.memory") -> Table:
    """A table of cases c0, c1, ... with these values of one key."""
    table = make(path)
    table.plan((f"c{n}", str(n), f"run-{n}", {key: text}) for n, text in enumerate(memory))
    return table


def names(table: Table, where: str, order: tuple[str, ...] = ()) -> list[str]:
    return [row.case for row in table.rows(where, ["case"], order)]


# ---------------------------------------------------------------- what it keeps


@pytest.mark.parametrize(
    "text, found",
    [
        ("96MiB", (96 << 20, "B")),
        ("1.5GB", (1.5e9, "B")),
        ("30us", (30e3, "ns")),
        ("2min", (120e9, "ns")),
        ("100MB/s", (1e8, "B/s")),
        ("20%", (20, "%")),
        ("-3.5e2", (-350, "")),
        ("0", (0, "")),
        ("7", (7, "")),
    ],
)
def test_quantities(text: str, found: tuple[float, str]) -> None:
    assert quantity(text) == found


@pytest.mark.parametrize(
    "text", ["zcache", "", "MiB", "96 KB", "nan", "inf", "1e999", "0x10", "1_000", "[1, 2]", "true", "5m", "1.2.3", "٣"]
)
def test_not_quantities(text: str) -> None:
    assert quantity(text) is None


@pytest.mark.parametrize("unit, value", [("s", 0.0015), ("ms", 1.5), ("us", 1500), ("ns", 1.5e6), ("B", None), ("pages", None)])
def test_times_in_the_unit_of_a_metric(unit: str, value: float | None) -> None:
    assert in_unit(Quantity(1.5e6, "ns"), unit) == (value if value is None else pytest.approx(value, rel=1e-15))


TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
FIGURES = st.dictionaries(
    st.sampled_from(METRICS),
    st.tuples(st.one_of(st.none(), st.floats(allow_nan=False)), st.one_of(st.none(), st.floats(0, allow_nan=False))),
)
LABELS = st.fixed_dictionaries({}, optional={key: st.sampled_from(["none", "zcache", "64MiB", "0", "10ms", "7"]) for key in KEYS})


class Kept(RuleBasedStateMachine):
    """Any order of planning, finishing, failing, rolling back and opening again gives what a dict would."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, Row] = {}
        self.path = Path(os.environ.get("TMPDIR", "/tmp"), f"table-{os.getpid()}-{id(self)}.sqlite")

    @initialize(labels=st.lists(st.sampled_from(KEYS), unique=True), wide=st.sampled_from([14, 18, 1000]))
    def begin(self, labels: list[str], wide: int) -> None:
        """A small `wide` sends most metrics into the narrow table; keys must be known before those, as those of a sweep are."""
        self.wide, layout.WIDE = layout.WIDE, wide
        self.table = make(self.path, labels=labels if wide == 1000 else KEYS)

    @rule(cases=st.dictionaries(st.sampled_from("abcdef"), st.tuples(st.sampled_from("12"), LABELS), max_size=4))
    def plan(self, cases: dict[str, tuple[str, dict[str, str]]]) -> None:
        self.table.plan((case, run_id, f"run-{case}", labels) for case, (run_id, labels) in cases.items())
        for case, (run_id, labels) in cases.items():
            if case not in self.rows or self.rows[case].id != run_id:
                self.rows[case] = Row(case, run_id, f"run-{case}", labels, "planned", "", 0.0, 0, {})

    def case(self, number: int) -> str:
        return list(self.rows)[number % len(self.rows)]

    @precondition(lambda self: self.rows)
    @rule(number=st.integers(0, 5), figures=FIGURES, seconds=st.floats(0, 1e9), replications=st.integers(1, 9))
    def done(self, number: int, figures: dict[str, tuple[float | None, float | None]], seconds: float, replications: int) -> None:
        case = self.case(number)
        self.table.done(case, replications, seconds, figures)
        there = {metric: figure for metric, figure in figures.items() if figure[0] is not None}
        self.rows[case] = self.rows[case]._replace(status="done", error="", seconds=seconds, replications=replications, scalars=there)

    @precondition(lambda self: self.rows)
    @rule(number=st.integers(0, 5), error=TEXT)
    def failed(self, number: int, error: str) -> None:
        case = self.case(number)
        self.table.failed(case, error, 1.0)
        self.rows[case] = self.rows[case]._replace(status="failed", error=error, seconds=1.0, replications=0, scalars={})

    @rule(metric=st.sampled_from(METRICS))
    def a_transaction_that_fails_changes_nothing(self, metric: str) -> None:
        with pytest.raises(ValueError, match="never planned"):
            self.table.done("nobody", 1, 1.0, {metric: (1.0, 1.0), "another.metric": (1.0, 1.0)})

    @rule()
    def reopen(self) -> None:
        self.table.close()
        self.table = make(self.path)

    @rule(where=st.sampled_from(["done", "failed"]), limit=st.integers(0, 3))
    def some_of_them(self, where: str, limit: int) -> None:
        found = list(self.table.rows(f"status = {where}", order=["case:desc"], limit=limit))
        assert found == sorted((row for row in self.rows.values() if row.status == where), reverse=True)[:limit]

    @invariant()
    def the_same_as_a_dict(self) -> None:
        if not hasattr(self, "table"):
            return
        assert list(self.table.rows()) == list(self.rows.values())
        counts = {status: sum(row.status == status for row in self.rows.values()) for status in ("planned", "done", "failed")}
        assert self.table.statuses() == counts
        assert self.table.failed_cases() == {row.case: row.error for row in self.rows.values() if row.status == "failed"}

    def teardown(self) -> None:
        if hasattr(self, "table"):
            self.table.close()
            layout.WIDE = self.wide
        self.path.unlink(missing_ok=True)


Kept.TestCase.settings = settings(max_examples=25, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck))
TestKept = Kept.TestCase


def test_names_that_sqlite_takes_for_one_are_told_apart(path: Path) -> None:
    with make(path, labels=KEYS) as table:
        table.plan([("a", "1", "r", {"replications": "3"})])
        table.done("a", 5, 1.0, {"device.disk.reads": (1, None), "device.Disk.reads": (2, None), "n": (3, None)})
        (row,) = table.rows()
        assert (row.labels, row.replications) == ({"replications": "3"}, 5)
        assert row.scalars == {"device.disk.reads": (1, None), "device.Disk.reads": (2, None), "n": (3, None)}
        assert names(table, "key.replications = 3 and replications = 5 and metric.n = 3") == ["a"]


def test_two_writers_see_each_others_columns(path: Path) -> None:
    with planned(path, "64MiB", "96MiB") as one, make(path) as two:
        two.done("c0", 1, 1.0, {"run_time": (1.0, None), "pgfault": (2.0, None)})
        one.done("c1", 1, 1.0, {"oom_kill": (4.0, None), "run_time": (3.0, None)})
        assert [row.scalars for row in two.rows()] == [{"run_time": (1.0, None), "pgfault": (2.0, None)},
                                                       {"run_time": (3.0, None), "oom_kill": (4.0, None)}]  # fmt: skip


def test_not_a_number_is_absent_and_numpy_scalars_are_numbers(path: Path) -> None:
    import numpy as np

    with planned(path, "64MiB") as table:
        table.done("c0", np.int64(2), np.float32(0.5), {"run_time": (np.int64(3), np.float32(0.25)), "pgfault": (math.nan, 1.0)})
        (row,) = table.rows()
        assert (row.replications, row.seconds, row.scalars) == (2, 0.5, {"run_time": (3.0, 0.25)})


def test_a_closed_table_is_one_plain_file(path: Path) -> None:
    with planned(path, "64MiB"):
        assert sorted(file.name for file in path.parent.iterdir()) == ["sweep.sqlite", "sweep.sqlite-shm", "sweep.sqlite-wal"]
    assert [file.name for file in path.parent.iterdir()] == ["sweep.sqlite"]


def test_on_a_network_file_system_there_is_no_log(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.table.store.on_network", lambda path: True)
    with planned(path, "64MiB") as table:
        table.done("c0", 1, 1.0, {"run_time": (1.0, None)})
        assert [file.name for file in path.parent.iterdir()] == ["sweep.sqlite"]
        with Table.open(path) as other:
            assert other.statuses()["done"] == 1


def test_network_file_systems_are_known_by_their_mounts(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "dev / ext4 rw 0 0\nserver:/home /home nfs4 rw 0 0\ndev /home/local xfs rw 0 0\nhost:/x /my\\040data fuse.sshfs rw 0 0\n"
    )
    found = {place: on_network(Path(place), mounts) for place in ("/tmp/a", "/home/a/b", "/home/local/b", "/my data/c", "/homely")}
    assert found == {"/tmp/a": False, "/home/a/b": True, "/home/local/b": False, "/my data/c": True, "/homely": False}
    assert not on_network(tmp_path, tmp_path / "none")


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, sim.table, sim.table.export; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert not {"numpy", "pyarrow", "pydantic", "yaml", "numba"} & set(done.stdout.split())


# ---------------------------------------------------------------- filters

ROWS = [
    Row(f"c{n}", f"id{n % 3}", f"run-{n}", labels, status, "", seconds, replications, scalars)  # type: ignore[arg-type]
    for n, (labels, status, seconds, replications, scalars) in enumerate(
        [
            ({"backend.kind": "zcache", "machine.memory": "96MiB", "delay": "auto"}, "done", 1.5, 5, {"run_time": (1.0, 0.1)}),
            ({"backend.kind": "none", "machine.memory": "64MiB", "delay": "10ms"}, "done", 2.5, 3,
             {"run_time": (2.0, None), "fault_p99": (90.0, 1.0)}),
            ({"backend.kind": "O'Brien", "machine.memory": "1GiB", "delay": "0"}, "done", 0.0, 5, {"fault_p99": (1500.0, 2.0)}),
            ({"machine.memory": "128MiB", "delay": "2s"}, "failed", 1.0, 0, {}),
            ({"backend.kind": "zswap"}, "planned", 0.0, 0, {}),
        ]
    )
]  # fmt: skip


def fill(table: Table, rows: list[Row] = ROWS) -> None:
    table.plan((row.case, row.id, row.run, row.labels) for row in rows)
    for row in rows:
        if row.status == "done":
            table.done(row.case, row.replications, row.seconds, row.scalars)
        elif row.status == "failed":
            table.failed(row.case, row.error, row.seconds)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    with make(tmp_path_factory.mktemp("table") / "sweep.sqlite") as table:
        fill(table)
        yield table


@pytest.mark.parametrize(
    "where, cases",
    [
        ("machine.memory >= 96MiB", "0 2 3"),
        ("machine.memory > 0.125GiB", "2"),
        ("machine.memory = 0.0625GiB", "1"),
        ("machine.memory = '0.0625GiB'", ""),
        ("machine.memory != 96MiB", "1 2 3"),
        ("not machine.memory = 96MiB", "1 2 3 4"),
        ("machine.memory in (64MiB, '1GiB')", "1 2"),
        ("machine.memory not in (64MiB, 1GiB)", "0 3 4"),
        ("delay = auto", "0"),
        ("delay <= 10ms", "1 2"),
        ("delay in (auto, 2000ms)", "0 3"),
        ("delay = 0", "2"),
        ("backend.kind like z%", "0 4"),
        ("backend.kind not like 'Z%'", "1 2 3"),
        ("backend.kind = 'O''Brien'", "2"),
        ('backend.kind = "O\'Brien"', "2"),
        ("backend.kind is null", "3"),
        ("run_time is not null", "0 1"),
        ("run_time <= 1", "0"),
        ("run_time > 1500ms", "1"),
        ("fault_p99 > 0.1ms", "2"),
        ("run_time.half_width < 200ms", "0"),
        ("STATUS == done AND Replications=5", "0 2"),
        ("status = failed or status = planned and backend.kind = zswap", "3 4"),
        ("(status = failed or status = planned) and backend.kind = none", ""),
        ("not (status = done or not seconds > 500ms)", "3"),
        ("case in (c1, c4)", "1 4"),
        ('"machine.memory" > 0', "0 1 2 3"),
        ("backend.kind < 'a'", "2"),
    ],
)
def test_filters(filled: Table, where: str, cases: str) -> None:
    assert names(filled, where) == [f"c{n}" for n in cases.split()]


@pytest.mark.parametrize(
    "where, said",
    [
        ("", "found nothing; expected a filter"),
        ("machine.memry > 96MiB", r"character 1: found 'machine.memry'; expected the name of a column.*did you mean machine.memory\?"),
        (
            "status = done and machine.memory > 96",
            "character 36: found '96'; expected a size with a unit, such as 96MiB; a number needs a unit",
        ),
        ("machine.memory > 96Mib", r"found '96Mib'; expected a size.*did you mean MiB\?"),
        ("machine.memory = 9x", "found '9x'; expected a size"),
        ("machine.memory > 5ms", "found '5ms'; expected a size"),
        ("machine.memory > lots", "found 'lots'; expected a size"),
        ("delay < 5MiB", "found '5MiB'; expected a time with a unit"),
        ("run_time > 5MiB", "found '5MiB'; expected a number, in s, for run_time"),
        ("run_time = 'x'", "found 'x'; expected a number, in s"),
        ("seconds = soon", "expected a number, in s, for seconds"),
        ("run_time like 1%", "found '1%'; expected a number: run_time is not text"),
        ("status = broken", "found 'broken'; expected one of planned, done, failed"),
        ("backend.kind", "found the end; expected one of = !="),
        ("backend.kind =", "found the end; expected a value"),
        ("backend.kind = and", "found 'and'; expected a value; quote it"),
        ("and = 3", "found 'and'; expected the name of a column; quote it"),
        ("backend.kind = none none", "found 'none'; expected `and`, `or` or the end"),
        ("backend.kind = none)", r"found '\)'; expected `and`, `or` or the end"),
        ("(backend.kind = none", "found the end; expected `and`, `or` or a closing parenthesis"),
        ("backend.kind in none", "found 'none'; expected an opening parenthesis"),
        ("backend.kind in (none; zcache)", "found 'zcache'; expected a comma or a closing parenthesis"),
        ("backend.kind in ()", r"found '\)'; expected a value"),
        ("backend.kind not = none", "found '='; expected `in` or `like`"),
        ("backend.kind is none", "found 'none'; expected `null`"),
        ("backend.kind = 'none", 'character 16: found "\'"; expected a name, a value or an operator; a quotation mark is not closed'),
        ("backend.kind ! none", "character 14: found '!'"),
        ("1 = 1", "found '1'; expected the name of a column"),
        ("case = x; drop table runs", "expected `and`, `or` or the end"),
        ("(" * 60 + "seconds > 0" + ")" * 60, "at most 50 parentheses"),
        ("not " * 60 + "seconds > 0", "at most 50 parentheses"),
        (" or ".join(["seconds > 0"] * 301), "at most 300 comparisons"),
    ],
)
def test_filters_that_are_wrong(filled: Table, where: str, said: str) -> None:
    with pytest.raises(UserError, match=f"^--where: .*{said}"):
        filled.rows(where).__next__()


def test_the_filters_of_the_documentation(path: Path) -> None:
    page = (ROOT / "docs" / "sweep-table.md").read_text(encoding="utf-8")
    filters = re.findall(r"^--where \"(.*)\"$", page, re.M)
    assert len(filters) == 5
    with make(path) as table:
        table.plan([("memory=64MiB", "1", "r", {"backend.kind": "none", "machine.memory": "64MiB", "machine.sysctl.vm.swappiness": "60"})])
        table.plan([("other", "2", "r", {"backend.kind": "zcache", "machine.memory": "96MiB", "machine.sysctl.vm.swappiness": "100"})])
        table.done("other", 3, 1.0, {"fault_p99": (1999.0, 1.0), "effective_compression": (50.0, None)})
        assert [names(table, text) for text in filters] == [["other"], ["memory=64MiB", "other"], [], ["memory=64MiB"], ["other"]]


def test_a_child_that_was_forked_may_end(path: Path) -> None:
    with planned(path, "64MiB") as table:
        child = os.fork()
        if child == 0:
            table._connection.close()
            os._exit(0)
        os.waitpid(child, 0)
        table.done("c0", 1, 1.0, {"run_time": (1.0, None)})
    with Table.open(path) as table:
        assert names(table, "run_time = 1") == ["c0"]


def test_a_filter_may_be_as_deep_and_long_as_it_is_said(filled: Table) -> None:
    assert len(names(filled, "(" * 49 + " or ".join(["seconds >= 0"] * 300) + ")" * 49)) == len(ROWS)
    assert names(filled, f"case in ({', '.join(f'c{n}' for n in range(3, 40000))})") == ["c3", "c4"]


Test = tuple[str, Callable[[Row], bool]]
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip
MEMORY = {"64MiB": 64, "96MiB": 96, "0.125GiB": 128, "1GiB": 1024, "131072KiB": 128}


def _comparison(name: str, value_of: Callable[[Row], Any], written: dict[str, Any]) -> st.SearchStrategy[Test]:
    def test(sign: str, text: str) -> Test:
        compare, value = OPERATORS[sign], written[text]
        return f"{name}{sign}{text}", lambda row: value_of(row) is not None and compare(value_of(row), value)

    def among(texts: list[str], negated: bool) -> Test:
        values = [written[text] for text in texts]
        return f"{name} {'not ' * negated}in ({','.join(texts)})", lambda row: (value_of(row) in values) != negated

    texts = st.sampled_from(list(written))
    return st.builds(test, st.sampled_from(list(OPERATORS)), texts) | st.builds(
        among, st.lists(texts, min_size=1, max_size=3), st.booleans()
    )


def _memory(row: Row) -> int | None:
    return MEMORY.get({"128MiB": "131072KiB"}.get(row.labels.get("machine.memory", ""), row.labels.get("machine.memory", "")))


COMPARISONS = st.one_of(
    _comparison("machine.memory", _memory, MEMORY),
    _comparison("backend.kind", lambda row: row.labels.get("backend.kind"), {"zcache": "zcache", "'none'": "none", '"x y"': "x y"}),
    _comparison("run_time", lambda row: row.scalars.get("run_time", (None,))[0], {"1": 1, "2000ms": 2, "1.5s": 1.5}),
    _comparison("seconds", lambda row: row.seconds, {"0": 0, "1": 1, "1500ms": 1.5}),
    _comparison("case", lambda row: row.case, {"c0": "c0", "'c3'": "c3"}),
)
FILTERS: st.SearchStrategy[Test] = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.builds(lambda a: (f"not ({a[0]})", lambda row: not a[1](row)), inner),
        st.builds(lambda a, b: (f"({a[0]}) and {b[0]}" if " or " not in b[0] else f"({a[0]}) and ({b[0]})",
                                lambda row: a[1](row) and b[1](row)), inner, inner),
        st.builds(lambda a, b: (f"{a[0]} or {b[0]}", lambda row: a[1](row) or b[1](row)), inner, inner),
    ),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(FILTERS)
def test_filters_mean_what_python_would_say(filled: Table, test: Test) -> None:
    text, holds = test
    assert names(filled, text) == [row.case for row in ROWS if holds(row)]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text("() =<>!,'\"ab%;-*\\", max_size=30) | st.lists(st.sampled_from(
    ["and", "or", "not", "in", "(", ")", ",", "=", "<", "case", "run_time", "5", "'x'", "like", "is", "null", "machine.memory", "1MiB"]
), max_size=12).map(" ".join))  # fmt: skip
def test_any_text_is_a_filter_or_a_users_error(filled: Table, text: str) -> None:
    with contextlib.suppress(UserError):
        names(filled, text)


def test_order(filled: Table) -> None:
    assert names(filled, "case != x", ("machine.memory",)) == ["c1", "c0", "c3", "c2", "c4"]
    assert names(filled, "case != x", ("machine.memory:desc",)) == ["c2", "c3", "c0", "c1", "c4"]
    assert names(filled, "case != x", ("delay",)) == ["c2", "c1", "c3", "c0", "c4"]  # numbers, then words, then nothing
    assert names(filled, "case != x", ("status:DESC", "run_time:desc")) == ["c4", "c3", "c1", "c0", "c2"]


@pytest.mark.parametrize("key", ["run_tme", "run_time:down", ""])
def test_order_by_what_is_not_there(filled: Table, key: str) -> None:
    with pytest.raises(UserError, match=rf"^--sort: found {key!r}; expected the name of a column"):
        list(filled.rows(order=[key]))


def test_a_key_of_zeros_takes_the_unit_that_comes_later(path: Path) -> None:
    with planned(path, "0", "0", key="delay") as table:
        table.plan([("late", "9", "r", {"delay": "10ms"})])
        assert names(table, "delay > 5ms") == ["late"]
        table.plan([("odd", "10", "r", {"delay": "3MiB"})])
        assert names(table, "delay > 0") == ["late"]
        assert names(table, "delay = '3MiB'") == ["odd"]


# ---------------------------------------------------------------- kills and other trouble

WRITER = """
import sys
from sim.table import Table
with Table.create_or_open(sys.argv[1], "abc", "1.0") as table:
    table.plan((f"c{n}", str(n), "r", {"machine.memory": f"{n + 1}MiB"}) for n in range(3000))
    print("planned", flush=True)
    for n in range(3000 - table.statuses()["planned"], 3000):
        table.done(f"c{n}", 5, 1.0, {f"metric{m}": (n + m, 0.5) for m in range(20 + n // 10)})
        print(n, flush=True)
"""


@pytest.mark.parametrize("network", [False, True])
def test_what_was_reported_survives_kill_9(path: Path, network: bool) -> None:
    """Killed after so many lines, or when only so many milliseconds old, and started again."""
    code = ("import sim.table.store as s; s.on_network = lambda path: True\n" if network else "") + WRITER
    last = -1
    for lines in (0, 1, 2, 40, 3, 0, 90):
        with subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            if lines == 0:  # before it has said anything: perhaps it is just making the file
                time.sleep(0.1)
            said = [writer.stdout.readline() for _ in range(lines)]
            writer.send_signal(signal.SIGKILL)
            said += writer.stdout.readlines()
        assert writer.returncode == -signal.SIGKILL
        last = max([last, *(int(line) for line in said if line[:1].isdigit())])
        if not said:
            continue
        with Table.open(path) as table:
            rows = list(table.rows("status = done"))
            assert table.statuses()["planned"] + len(rows) == 3000
        assert last + 1 <= len(rows) <= last + 2  # one may have been finished but not reported
        last = len(rows) - 1
        assert [row.case for row in rows] == [f"c{n}" for n in range(len(rows))]
        assert all(row.scalars == {f"metric{m}": (n + m, 0.5) for m in range(20 + n // 10)} for n, row in enumerate(rows))
        with contextlib.closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert last > 120


def test_locked_by_another(path: Path) -> None:
    with planned(path, "64MiB"):
        pass
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    for attempt in (lambda: Table.create_or_open(path, "abc", "1.0", wait_s=0.1), lambda: Table.open(path, wait_s=0.1)):
        with pytest.raises(UserError, match=rf"^{path}: is locked by another process; another mempress may be writing"):
            attempt()
    holder.close()
    with make(path, wait_s=0.1) as table:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(UserError, match="locked by another process"):
            table.done("c0", 1, 1.0, {"run_time": (1.0, None)})
        holder.execute("ROLLBACK")
        holder.close()
        table.done("c0", 1, 1.0, {"run_time": (1.0, None)})
        assert table.statuses()["done"] == 1


def test_a_reader_does_not_stop_the_writer(path: Path) -> None:
    with planned(path, *(f"{n}MiB" for n in range(1, 2000))) as table, Table.open(path) as reader:
        rows = reader.rows()
        next(rows)
        table.done("c1500", 1, 1.0, {"run_time": (1.0, None)})
        assert sum(row.status == "planned" for row in rows) == 1998  # as it was when the reading began
        assert names(reader, "run_time > 0") == ["c1500"]


@pytest.mark.parametrize(
    "sweep, version, said",
    [
        ("other", "1.0", "the runs of the sweep abc, and this is other; move it away and run"),
        ("abc", "2.0", "the runs of mempress 1.0, and this is 2.0; move it away and run"),
    ],
)
def test_another_sweeps_or_versions_table(path: Path, sweep: str, version: str, said: str) -> None:
    with planned(path, "64MiB"):
        pass
    with pytest.raises(UserError, match=f"^{path}: has {said}"):
        Table.create_or_open(path, sweep, version)
    with Table.open(path) as table:
        assert (table.meta()["version"], table.statuses()["planned"]) == ("1.0", 1)


def _other_schema(path: Path) -> None:
    make(path).close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 77")


def _somebody_elses(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")


def _overwritten(path: Path) -> None:
    with planned(path, *(f"{n}MiB" for n in range(1, 3000))):
        pass
    data = bytearray(path.read_bytes())
    data[2 * 16384 :] = b"\xa5" * (len(data) - 2 * 16384)
    path.write_bytes(data)


def _cut(path: Path) -> None:
    with planned(path, *(f"{n}MiB" for n in range(1, 3000))):
        pass
    path.write_bytes(path.read_bytes()[:40000])


@pytest.mark.parametrize(
    "spoil, said",
    [
        (_other_schema, "a table of schema 77, and this mempress reads schema 1; move it away"),
        (_somebody_elses, "an SQLite file, but not the table of a sweep"),
        (
            lambda path: path.write_text("case,run_time\n" * 100),
            "is damaged, or is not a table of a sweep; move it away and run the sweep again",
        ),
        (_overwritten, "is damaged"),
        (_cut, "is damaged"),
    ],
)
def test_files_that_are_something_else(path: Path, spoil: Callable[[Path], object], said: str) -> None:
    spoil(path)
    before = path.read_bytes()
    for attempt in (Table.open, make):
        with pytest.raises(UserError, match=f"^{path}: {said}"), attempt(path) as table:
            list(table.rows())
    assert path.read_bytes()[:16384] == before[:16384] or spoil in (_overwritten, _cut)


def test_an_empty_file_and_none(path: Path) -> None:
    with pytest.raises(UserError, match="no such file; is this the folder of a sweep"):
        Table.open(path)
    path.touch()
    with pytest.raises(UserError, match="an empty file; move it away"):
        Table.open(path)
    with planned(path, "64MiB") as table:  # its maker may have been killed at once
        assert table.statuses()["planned"] == 1


def test_places_that_cannot_hold_it(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "none" / "sweep.sqlite"):
        with pytest.raises(UserError, match=rf"^{place}: cannot be opened or written"):
            make(place)


def test_a_table_opened_to_read_is_not_written(path: Path) -> None:
    with planned(path, "64MiB"):
        pass
    with Table.open(path) as table, pytest.raises(UserError, match="cannot be opened or written"):
        table.done("c0", 1, 1.0, {})


NOBODY = """
import os, sys
from sim.table import Table
from sim.errors import UserError
if os.geteuid() == 0:  # may read and write everything
    os.setegid(65534); os.seteuid(65534)
for attempt in (lambda: Table.open(sys.argv[1]).close(), lambda: Table.create_or_open(sys.argv[1], "abc", "1.0").close()):
    try:
        attempt(); print("fine")
    except UserError as error:
        print(error)
"""


@pytest.mark.parametrize("mode, reads", [(0o444, True), (0o000, False)])
def test_no_permission(path: Path, mode: int, reads: bool) -> None:
    with planned(path, "64MiB"):
        pass
    for folder in path.parents:  # pytest's folders are closed to others
        if folder.stat().st_uid == os.geteuid() and folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(0o755)
    path.chmod(mode)
    path.parent.chmod(0o555)
    try:
        done = subprocess.run([sys.executable, "-c", NOBODY, str(path)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    finally:
        path.parent.chmod(0o755)
    refused = f"{path}: cannot be opened or written"
    first, second = done.stdout.splitlines()
    assert first == "fine" if reads else first.startswith(refused)
    assert second.startswith(refused)


FULL = """
import resource, signal, sys
from sim.table import Table
from sim.errors import UserError
table = Table.create_or_open(sys.argv[1], "abc", "1.0")
table.plan((f"c{n}", str(n), "r", {"machine.memory": f"{n + 1}MiB"}) for n in range(2000))
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, resource.RLIM_INFINITY))
done = 0
try:
    for n in range(2000):
        table.done(f"c{n}", 5, 1.0, {f"metric{m}": (n + m / 7, 0.1) for m in range(100)})
        done += 1
except UserError as error:
    print(done, error)
print(table.statuses()["done"])
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
table.done("c1999", 5, 1.0, {"metric0": (1.0, None)})
table.close()
"""


def test_a_file_that_may_not_grow_loses_nothing(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, str(path)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    said, kept = done.stdout.splitlines()
    match = re.match(rf"(\d+) {path}: cannot be read or written; the disk may be full, .*run the sweep again to go on", said)
    assert match is not None, said
    assert kept == match[1] and 0 < int(kept) < 2000
    with Table.open(path) as table:
        rows = list(table.rows("status = done"))
    assert [row.case for row in rows] == [*(f"c{n}" for n in range(int(kept))), "c1999"]
    assert all(row.scalars["metric99"] == (n + 99 / 7, 0.1) for n, row in enumerate(rows[:-1]))


def test_a_full_disk_loses_nothing(path: Path) -> None:
    with planned(path, *(f"{n + 1}MiB" for n in range(500))) as table:
        pages = table._connection.execute("PRAGMA page_count").fetchone()[0] + 4
        table._connection.execute(f"PRAGMA max_page_count = {pages}")
        done = 0
        with pytest.raises(UserError, match=rf"^{path}: the disk is full; the rows that were there are kept"):
            for n in range(500):
                table.done(f"c{n}", 5, 1.0, {f"metric{m}": (n + m / 7, 0.1) for m in range(100)})
                done += 1
        assert 0 < done < 500 and table.statuses() == {"planned": 500 - done, "done": done, "failed": 0}
        table._connection.execute("PRAGMA max_page_count = 100000")
        table.done(f"c{done}", 5, 1.0, {"metric5": (1.0, None), "new": (2.0, None)})
        assert [row.scalars for row in table.rows(f"case = c{done}")] == [{"metric5": (1.0, None), "new": (2.0, None)}]


def test_more_swept_keys_than_columns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "WIDE", 12)
    with make(path) as table:
        with pytest.raises(UserError, match="a sweep over more than 4 keys does not fit into one table"):
            table.plan([("a", "1", "r", {f"key{n}": "x" for n in range(9)})])
        assert table.statuses()["planned"] == 0


def test_thousands_of_metrics(path: Path) -> None:
    """SQLite has 2000 columns: the others live in rows, and nobody notices."""
    figures = {f"task.t{n:04}.run_time": (float(n), n / 2) for n in range(1500)}
    with planned(path, "1MiB", "2MiB", "3MiB") as table:
        table.done("c1", 5, 1.0, figures)
        table.done("c2", 5, 1.0, {name: (mean + 1, half) for name, (mean, half) in figures.items()})
        assert [len(row.scalars) for row in table.rows()] == [0, 1500, 1500]
        assert next(table.rows("case = c1")).scalars == figures
        assert names(table, "task.t1499.run_time > 1499s and task.t1499.run_time.half_width < 750") == ["c2"]
        assert names(table, "case != c0", ("task.t1499.run_time:desc",)) == ["c2", "c1"]
