"""`mempress compare`: noise is never called a winner, true differences are found, and the words say which is which."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.cli import execute
from sim.compare.document import document
from sim.compare.figures import Difference, Result, compare
from sim.compare.sources import MOST_SIDES, Side, resolve
from sim.compare.words import number, sentence, summary, verdict_word
from sim.errors import UserError
from sim.report.compare_page import page
from tests.test_report import Page

Values = list[float | None]


def run(values: dict[str, Values], seed: int = 1, version: str = "1+a", name: str = "r", **config: Any) -> dict[str, Any]:
    """A run.json with these values by metric."""
    scalars = {}
    for metric, column in values.items():
        present = [value for value in column if value is not None]
        scalars[metric] = {
            "mean": sum(present) / len(present) if present else None,
            "values": column,
            "n": len(present),
            "half_width": None,
        }
    return {
        "schema": 1,
        "kind": "run",
        "name": name,
        "id": hashlib.sha256(f"{name}/{seed}/{version}".encode()).hexdigest()[:12],
        "version": version,
        "replications": max(len(column) for column in values.values()),
        "scalars": scalars,
        "config": {"name": name, "seed": seed, **config},
    }


def sides(*documents: dict[str, Any]) -> list[Side]:
    return [Side(name, name, [one]) for name, one in zip("ABCDEFGH", documents, strict=False)]


def one(a: Values, b: Values, metric: str = "run_time", matters: float = 1.0, **second: Any) -> tuple[Difference, str]:
    """The only difference of two runs with one metric, and its sentence."""
    result = compare(sides(run({metric: a}), run({metric: b}, **second)), [metric], matters=matters)
    return result.differences[0], sentence(result.differences[0], result.confidence, result.matters)


# ---------------------------------------------------------------- noise and truth


def test_noise_is_not_called_a_winner_more_often_than_promised() -> None:
    """200 comparisons of 6 metrics that differ by chance alone: at most 5 % may call any of the six real (Holm: family-wise).

    With 200 of them, more than 19 has a probability below 0.5 % (binomial), so that many would be a broken promise.
    """
    draw = np.random.default_rng(np.random.SeedSequence(20))
    metrics = ["run_time", "pgfault_rate", "pgmajfault_rate", "psi_memory_full", "fault_p99", "pswpin_rate"]
    wrong = 0
    for _ in range(200):
        common = draw.normal(100, 10, size=(6, 5))
        documents = [run(dict(zip(metrics, (common + draw.normal(0, 1, common.shape)).tolist(), strict=True))) for _ in range(2)]
        wrong += any(difference.verdict == "real" for difference in compare(sides(*documents), matters=0.0).differences)
    assert wrong <= 19


def test_true_differences_are_found_although_the_intervals_overlap() -> None:
    """A common swing of 10 hides 5 % from two intervals, and not from pairs."""
    draw = np.random.default_rng(np.random.SeedSequence(3))
    common = draw.normal(100, 10, 5)
    difference, words = one(common.tolist(), (0.95 * common + draw.normal(0, 0.2, 5)).tolist())
    assert difference.first is not None and difference.second is not None
    assert difference.first.low is not None and difference.second.high is not None and difference.first.low < difference.second.high
    assert difference.verdict == "real" and difference.better is True
    assert re.fullmatch(r"B needs [45](\.\d)? % less run_time than A \([\d.]+ to [\d.]+ %\): real, better", words)


def test_a_worked_example() -> None:
    """Differences −1, −2, −3 of 10, 11, 12: mean −2, sd 1, so t = −2·√3 = −3.464 and p = 0.0742 with 2 degrees of freedom (tables of t)."""
    difference, words = one([10.0, 11.0, 12.0], [9.0, 9.0, 9.0])
    assert difference.found is not None and difference.adjusted == pytest.approx(0.07418, abs=1e-5)
    assert difference.found.difference.estimate == pytest.approx(-2.0)
    assert difference.found.difference.high == pytest.approx(-2 + 4.30265 / 3**0.5, abs=1e-4)
    assert difference.verdict == "unclear"
    assert words.startswith("run_time: no difference that these 3 replications could show")


def test_holm_counts_everything_that_is_compared() -> None:
    """The same difference is real alone and not among 40 metrics that tell nothing."""
    a, b = [10.0, 11.0, 12.0, 13.0], [9.0, 9.9, 10.8, 12.1]
    alone = compare(sides(run({"run_time": a}), run({"run_time": b})))
    assert alone.differences[0].verdict == "real"
    draw = np.random.default_rng(np.random.SeedSequence(4))
    many = [{"run_time": column} | {f"x{k}": draw.normal(5, 1, 4).tolist() for k in range(400)} for column in (a, b)]
    among = compare(sides(*(run(values) for values in many)), every=True)
    found = next(d for d in among.differences if d.metric == "run_time")
    assert found.verdict == "unclear" and found.found == alone.differences[0].found
    assert "not shown to be real among all that is compared here" in sentence(found, 0.95, 1.0)


# ---------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("a", "b", "verdict", "words"),
    [
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], "identical", "run_time: identical in all 3 replications"),
        (
            [1.0, 2.0, 3.0],
            [1.5, 2.5, 3.5],
            "constant",
            "B differs in run_time by exactly +0.5 s in every replication; variance zero, so no interval",
        ),
        (
            [1.0],
            [0.5],
            "single",
            "run_time: 1 with A, 0.5 with B (s); one replication in common shows no spread, so nothing can be said",
        ),
        ([1.0, 2.0], [None, None], "absent", "run_time: only A has it; there is nothing to measure in B"),
        (
            [100.0, 101.0, 102.0, 103.0],
            [100.1, 101.11, 102.12, 103.1],
            "negligible",
            "run_time: B differs from A, but by too little to matter (0.11 %)",
        ),
        (
            [100.0, 101.0, 102.0, 103.0],
            [100.1, 100.9, 102.1, 102.9],
            "same",
            "run_time: the same to within 1 %; no difference that these 4 replications could show",
        ),
    ],
)
def test_what_is_said_of_small_and_degenerate_differences(a: Values, b: Values, verdict: str, words: str) -> None:
    difference, said = one(a, b)
    assert (difference.verdict, said) == (verdict, words)
    assert verdict == "constant" or difference.better is None


def test_rounding_is_no_variance() -> None:
    difference, _ = one([0.1, 0.2, 0.3], [0.1 + 0.7, 0.2 + 0.7, 0.3 + 0.7])
    assert difference.verdict == "constant"


def test_how_many_replications_it_would_take() -> None:
    """sd of the differences 2 of a mean of 100, to see 1 %: (1.960 + 0.842)² · 2² + 1.960²/2 = 33.3, so 34 (Guenther 1981)."""
    swing = np.array([-1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0])
    swing *= 2 / swing.std(ddof=1)
    difference, words = one([100.0] * 8, (100 + swing).tolist())
    assert difference.needed == 34
    assert words.endswith("it would take about 34 to see 1 %")


def test_directions_and_units_are_those_of_the_metric() -> None:
    b = [8.0, 8.9, 9.8, 10.7]
    a = [10.0, 11.0, 12.0, 13.1]
    assert "needs 19 % less run_time" in one(a, b)[1] and one(a, b)[1].endswith(": real, better")
    assert one(a, b, "reclaim_efficiency")[1].endswith(": real, worse")
    assert one(a, b, "cpu_user")[1].endswith(": real")
    assert verdict_word(one(a, b, "cpu_user")[0]) == "less"
    assert "points less effective_compression" in one(a, b, "effective_compression")[1]


def test_a_baseline_of_zero_has_no_percentages() -> None:
    difference, words = one([0.0] * 5, [3.0, 3.1, 3.2, 3.3, 3.4], "pswpin_rate")
    assert difference.found is not None and difference.found.relative is None
    assert words == "B has 3.2 pages/s more pswpin_rate than A (3 to 3.4 pages/s): real, worse"


@given(st.floats(1e-9, 1e9), st.integers(2, 4))
def test_numbers_keep_their_value(value: float, significant: int) -> None:
    text = number(value, significant)
    assert "e" not in text
    assert float(text.replace("\u202f", "")) == pytest.approx(value, rel=0.51 * 10 ** (1 - significant))


def test_the_summary_counts_every_difference() -> None:
    a = {"run_time": [10.0, 11.0, 12.0, 13.1], "oom_kill": [0.0] * 4, "fault_p99": [1.0, 5.0, 2.0, 9.0]}
    b = {"run_time": [8.0, 8.9, 9.8, 10.7], "oom_kill": [0.0] * 4, "fault_p99": [2.0, 1.0, 9.0, 4.0]}
    result = compare(sides(run(a), run(b)))
    assert summary(result, "B") == "B against A: better in run_time (−19 %); of the others, 1 where no difference is shown, 1 identical."


# ---------------------------------------------------------------- pairs


@given(st.lists(st.tuples(st.floats(1, 1e3), st.floats(1, 1e3)), min_size=2, max_size=8))
def test_exchanging_the_sides_turns_the_difference_round(pairs: list[tuple[float, float]]) -> None:
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    there, back = one(list(a), list(b))[0], one(list(b), list(a))[0]
    assert there.found is not None and back.found is not None
    assert there.found.difference.estimate == pytest.approx(-(back.found.difference.estimate or 0.0), abs=1e-9)
    if there.verdict in ("identical", "constant"):
        assert back.verdict == there.verdict
    if there.verdict == "real" and back.verdict == "real":
        assert there.better is not back.better


def test_different_seeds_are_independent_samples() -> None:
    draw = np.random.default_rng(np.random.SeedSequence(6))
    common = draw.normal(100, 10, 6)
    paired, _ = one(common.tolist(), (common - 2 + draw.normal(0, 0.1, 6)).tolist())
    apart, _ = one(common.tolist(), (common - 2).tolist(), seed=2)
    assert paired.verdict == "real" and paired.paired
    assert apart.verdict == "unclear" and not apart.paired
    result = compare(sides(run({"run_time": [1.0, 2.0]}), run({"run_time": [3.0, 4.0, 5.0]}, seed=2)))
    assert "independent samples" in result.notes[0] and result.differences[0].n == 2


def test_only_replications_that_both_have_are_compared() -> None:
    result = compare(sides(run({"run_time": [1.0, 2.0, 3.0, 9.0, 9.0]}), run({"run_time": [2.0, None, 4.5]})))
    assert result.differences[0].n == 2
    assert result.notes == ["B and A have 3 replications in common (of up to 5); only these are compared"]


def test_results_of_another_version_are_refused() -> None:
    both = sides(run({"run_time": [1.0, 2.0]}), run({"run_time": [1.0, 2.0]}, version="1+b"))
    with pytest.raises(UserError, match=r"different versions .*A: 1\+a.*B: 1\+b.*--across-versions"):
        compare(both)
    assert "may be the simulator's" in compare(both, across_versions=True).notes[0]


def test_a_metric_that_nobody_has() -> None:
    with pytest.raises(UserError, match=r"--metric run_tme: none of the runs has it; did you mean run_time\?"):
        compare(sides(run({"run_time": [1.0, 2.0]}), run({"run_time": [1.0, 2.0]})), ["run_tme"])


# ---------------------------------------------------------------- what stands on the command line


def draw_run(case: int, kind: str, memory: int, seed: int = 1) -> dict[str, Any]:
    """zcache takes a tenth less time; memory makes a large difference; replications share a swing."""
    noise = np.random.default_rng(np.random.SeedSequence((case, 5)))
    common = np.random.default_rng(np.random.SeedSequence(9)).normal(0, 1, 5)
    times = (20 - memory / 20 + common + noise.normal(0, 0.05, 5)) * (0.9 if kind == "zcache" else 1.0)
    return run({"run_time": times.tolist(), "oom_kill": [0.0] * 5}, seed, name=f"{kind}{memory}", backend=kind, machine={"memory": memory})


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A sweep over two keys with one case lost, and a bench's folder."""
    cases = []
    for case, (kind, memory) in enumerate((k, m) for k in ("none", "zcache") for m in (120, 160, 200)):
        document = draw_run(case, kind, memory)
        name = f"backend={kind},memory={memory}MiB"
        folder = tmp_path / f"demo-{name}-{document['id']}"
        cases.append(
            {"name": name, "labels": {"backend.kind": kind, "machine.memory": f"{memory}MiB"}, "run": folder.name, "id": document["id"]}
        )
        if case != 5:
            folder.mkdir()
            (folder / "run.json").write_text(json.dumps(document))
    sweep = {"schema": 1, "kind": "sweep", "name": "demo", "id": "abc", "published": [], "cases": cases}
    (tmp_path / "demo-abc").mkdir()
    (tmp_path / "demo-abc" / "sweep.json").write_text(json.dumps(sweep))
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "bench.json").write_text("{}")
    return tmp_path


def test_all_cases_of_a_sweep(results: Path) -> None:
    found = resolve([str(results / "demo-abc")])
    assert [side.full for side in found.sides][:2] == ["backend=none,memory=120MiB", "backend=none,memory=160MiB"]
    assert len(found.sides) == 5 and found.notes == ["without results, and left out: backend=zcache,memory=200MiB"]
    other = resolve([str(results / "demo-abc")], baseline="backend=zcache,memory=120MiB")
    assert other.sides[0].full == "backend=zcache,memory=120MiB" and len(other.sides) == 5


def test_names_leave_out_what_all_share(results: Path) -> None:
    sweep = results / "demo-abc"
    found = resolve([f"{sweep}:backend=none,memory=160MiB", f"{sweep}:backend=zcache,memory=160MiB"])
    assert [side.name for side in found.sides] == ["backend=none", "backend=zcache"]


def test_values_of_one_key_over_the_settings_of_the_others(results: Path) -> None:
    """zcache against none: only the memory sizes that both have count; each replication is a mean over them."""
    for key in ("backend.kind", "kind"):
        found = resolve([str(results / "demo-abc")], by=key)
        assert [side.name for side in found.sides] == ["backend=none", "backend=zcache"]
        assert [len(side.runs) for side in found.sides] == [2, 2] and "1 of 3 settings" in found.notes[1]
    difference = compare(found.sides, by=found.by).differences[0]
    columns = [found.sides[0].runs[k]["scalars"]["run_time"]["values"] for k in (0, 1)]
    assert difference.a == pytest.approx([(x + y) / 2 for x, y in zip(*columns, strict=True)])
    assert difference.n == 5 and difference.verdict == "real" and difference.better
    assert difference.found is not None and difference.found.relative is not None
    assert difference.found.relative.estimate == pytest.approx(-10, abs=0.5)


def test_cases_that_do_not_set_the_key_are_left_out_and_named(results: Path) -> None:
    """An allocator varies only where there is a pool: the case without one is no value of it."""
    path = results / "demo-abc" / "sweep.json"
    sweep = json.loads(path.read_text())
    kinds = {"none": {}, "zcache": {"backend.persistent.allocator": "xvmalloc"}}
    for case in sweep["cases"]:
        case["labels"] |= kinds[case["labels"]["backend.kind"]]
    sweep["cases"][1]["labels"] |= {"backend.kind": "zcache", "backend.persistent.allocator": "zbud"}
    path.write_text(json.dumps(sweep))
    found = resolve([str(results / "demo-abc")], by="allocator")
    assert [side.name for side in found.sides] == ["allocator=zbud", "allocator=xvmalloc"]
    assert [len(side.runs) for side in found.sides] == [1, 1]
    assert any(note.startswith("left out, since they do not set backend.persistent.allocator: backend=none") for note in found.notes)


def test_keys_that_change_together_are_said(results: Path) -> None:
    path = results / "demo-abc" / "sweep.json"
    sweep = json.loads(path.read_text())
    for case in sweep["cases"]:
        case["labels"]["machine.cpus"] = {"none": "1", "zcache": "2"}[case["labels"]["backend.kind"]]
    path.write_text(json.dumps(sweep))
    assert any(
        "machine.cpus changes together with backend.kind" in note for note in resolve([str(results / "demo-abc")], by="backend.kind").notes
    )


@pytest.mark.parametrize(
    ("places", "options", "message"),
    [
        (["demo-abc:backend=nine,memory=160MiB", "demo-abc"], {}, r"has no case 'backend=nine,memory=160MiB'; did you mean"),
        (["demo-abc", "demo-abc"], {}, "is a sweep; name one of its cases"),
        (["nowhere", "demo-abc"], {}, "nowhere: no such folder"),
        (["bench", "bench"], {}, "is a bench of allocators"),
        (["demo-abc"], {"by": "memry"}, r"--by memry: not a key that .* sweeps.*swept are backend.kind, machine.memory"),
        (["demo-abc"], {"baseline": "zram"}, "--baseline zram: not one of what is compared"),
        (["demo-abc:backend=none,memory=160MiB"], {}, "only one run there"),
        (["demo-abc:backend=none,memory=160MiB", "demo-abc:backend=none,memory=160MiB"], {}, "given 2 times"),
        (
            ["demo-abc:backend=none,memory=160MiB", "demo-abc:backend=none,memory=120MiB"],
            {"by": "kind"},
            "one sweep folder and nothing else",
        ),
    ],
)
def test_what_is_not_there_is_told(results: Path, places: list[str], options: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolve([str(results / place) for place in places], **options)


def test_too_many_cases_at_once(results: Path) -> None:
    path = results / "demo-abc" / "sweep.json"
    sweep = json.loads(path.read_text())
    sweep["cases"] = [sweep["cases"][0] | {"name": f"c{k}"} for k in range(MOST_SIDES + 1)]
    path.write_text(json.dumps(sweep))
    with pytest.raises(UserError, match=rf"{MOST_SIDES + 1} cases, and at most {MOST_SIDES}.*--by KEY"):
        resolve([str(results / "demo-abc")])


# ---------------------------------------------------------------- output


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = execute(["compare", *arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_the_command_prints_words_and_writes_a_page(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = results / "demo-abc"
    status, out, _ = call(capsys, str(sweep), "--by", "kind")
    assert status == 0
    assert re.search(r"backend=zcache needs (9\.\d|10) % less run_time than backend=none \(.* %\): real, better", out)
    assert "oom_kill: identical in all 5 replications" in out and "better in run_time" in out
    place = re.search(r"page +(\S+)", out)
    assert place is not None
    text = Path(place.group(1)).read_text()
    found = Page(text)
    assert found.tags.isdisjoint({"link", "img"}) and all(link.startswith("#") for link in found.links)
    assert "In short" in found.titles and "Every replication" in found.titles
    again = call(capsys, str(sweep), "--by", "kind")
    assert again[1] == out and Path(place.group(1)).read_text() == text  # the same runs, the same page


def test_figures_as_json(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = set(results.iterdir())
    status, out, _ = call(capsys, str(results / "demo-abc"), "--json", "--all", "--confidence", "0.9")
    found = json.loads(out)
    assert status == 0 and set(results.iterdir()) == before
    assert found["confidence"] == 0.9 and len(found["differences"]) == 8  # four sides, two metrics
    first = found["differences"][0]
    assert first["metric"] == "run_time" and first["difference"]["low"] < first["difference"]["estimate"] < first["difference"]["high"]
    assert 0 <= first["p"] <= first["p_adjusted"] <= 1


def test_many_sides_are_one_table(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = results / "demo-abc" / "sweep.json"
    sweep = json.loads(path.read_text())
    sweep["cases"] = [sweep["cases"][k % 5] | {"name": f"c{k}"} for k in range(10)]
    path.write_text(json.dumps(sweep))
    _, out, _ = call(capsys, str(results / "demo-abc"), "--metric", "run_time")
    assert "against the baseline, %" in out and re.search(r"^c3 +−\d", out, re.M) and re.search(r"^c5 +=", out, re.M)
    assert re.search(r"\d of 9 differ from c0 in something for real", out)


def test_mistakes_end_with_status_2(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, str(results / "nowhere"), str(results))[0] == 2
    sweep = str(results / "demo-abc")
    assert call(capsys, sweep, "--by", "kind", "--out", str(results / "no" / "page.html"))[0] == 2
    assert call(capsys, sweep, "--confidence", "2")[0] == 2
    assert call(capsys)[0] == 2
    (results / "demo-abc" / "sweep.json").write_text("{")
    status, _, said = call(capsys, sweep)
    assert status == 2 and "damaged" in said


def test_the_page_shows_every_verdict_and_escapes_names() -> None:
    a = {
        "run_time": [10.0, 11.0, 12.0, 13.1],
        "oom_kill": [0.0] * 4,
        "fault_p99": [1.0, 5.0, 2.0, 9.0],
        "pswpin_rate": [1.0, 2.0, 3.0, 4.0],
    }
    b = {"run_time": [8.0, 8.9, 9.8, 10.7], "oom_kill": [0.0] * 4, "fault_p99": [2.0, 1.0, 9.0, 4.0], "pswpin_rate": [None] * 4}
    both = [Side(name, name, [run(values)]) for name, values in (("<i>A", a), ("B & $x$", b))]
    result: Result = compare(both)
    text = page(result, ["a note"], "mempress compare 'a b' c")
    found = Page(text)
    assert "<i>" not in text and "&lt;i&gt;A" in text and "i" not in found.tags
    for words in ("better", "identical", "not shown", "absent", "A note.", "mempress compare &#39;a b&#39; c"):
        assert words in text
    assert len(found.ids) == len(set(found.ids)) and not re.search(r"#0[12]0[0-9a-f]{3}\b", text)
    assert json.dumps(document(result), allow_nan=False)
