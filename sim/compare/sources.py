"""Which runs a comparison is about: run folders, cases of a sweep, a whole sweep, or the values of one swept key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sim.config.problems import nearest
from sim.errors import UserError
from sim.folders import BENCH_FILE, RUN_FILE, SWEEP_FILE, read_json

Document = Mapping[str, Any]
MOST_SIDES = 200


class Side(NamedTuple):
    """One of the things that are compared.

    name    as short as tells it from the others;  full: its whole name
    runs    its run.json; several if it stands for all cases that have one value of a swept key, in the order of the other sides'
    """

    name: str
    full: str
    runs: list[Document]


class Sources(NamedTuple):
    """All sides, the baseline first, and what must be said about how they were chosen.

    folder  the folder that holds the baseline's run folder
    by      the swept key whose values are compared, "" if single runs are
    """

    sides: list[Side]
    notes: list[str]
    folder: Path
    by: str = ""


def resolve(places: Sequence[str], baseline: str | None = None, by: str | None = None) -> Sources:
    """The sides that the command line names.  UserError if something is not there, ambiguous, or too much."""
    alone = Path(places[0]) if len(places) == 1 else None
    if alone is not None and (alone / SWEEP_FILE).is_file():
        sweep, runs, notes = read_sweep(alone)
        sides = _values(alone, sweep, runs, by, notes) if by else [Side("", case["name"], [run]) for case, run in runs]
        folder = alone.resolve().parent
    elif by:
        raise UserError(f"--by {by}: compares the cases of one sweep; give one sweep folder and nothing else")
    else:
        sides, notes = [_one(place) for place in places], []
        folder = _folder_of(places[0])
    if len(sides) < 2:
        raise UserError(f"{places[0]}: only one run there; compare needs two run folders, SWEEP:CASE twice, or a sweep of several cases")
    if len(sides) > MOST_SIDES:
        raise UserError(
            f"{places[0]}: {len(sides)} cases, and at most {MOST_SIDES} can be compared at once; name some of them (SWEEP:CASE), "
            "or compare the values of one swept key with --by KEY"
        )
    key = sides[0].full.partition("=")[0] if by else ""
    return Sources(_shortened(_baseline_first(sides, baseline, places)), notes, folder, key)


# ---------------------------------------------------------------- single runs


def _one(place: str) -> Side:
    """A run folder, or SWEEP:CASE."""
    path = Path(place)
    if path.is_dir():
        return _run_folder(path)
    for at in (k for k, letter in enumerate(place) if letter == ":"):
        sweep, case = Path(place[:at]), place[at + 1 :]
        if (sweep / SWEEP_FILE).is_file():
            return _case_of(sweep, case)
    if (path.parent / SWEEP_FILE).is_file():
        raise UserError(f"{place}: no such folder; a case of a sweep is written SWEEP:CASE, as in {path.parent}:{path.name}")
    raise UserError(f"{place}: no such folder; a run folder, SWEEP_FOLDER:CASE, or one sweep folder alone is wanted")


def _run_folder(path: Path) -> Side:
    if (path / SWEEP_FILE).is_file():
        raise UserError(f"{path}: is a sweep; name one of its cases ({path}:CASE), or give the sweep alone to compare all of them")
    if (path / BENCH_FILE).is_file():
        raise UserError(f"{path}: is a bench of allocators, which has its paired differences in its own report; run folders are compared")
    run = read_json(path / RUN_FILE)
    name = path.resolve().name
    return Side("", name.removesuffix(f"-{run['id']}"), [run])


def folder_of(place: str) -> Path:
    """The run folder that `place`, a run folder or SWEEP:CASE, means.  UserError if there is none."""
    _one(place)
    path = Path(place)
    if path.is_dir():
        return path
    at = next(k for k, letter in enumerate(place) if letter == ":" and (Path(place[:k]) / SWEEP_FILE).is_file())
    sweep, name = Path(place[:at]), place[at + 1 :]
    run: str = next(case["run"] for case in read_json(sweep / SWEEP_FILE)["cases"] if case["name"] == name)
    return sweep.resolve().parent / run


def _case_of(sweep: Path, name: str) -> Side:
    cases = {case["name"]: case for case in read_json(sweep / SWEEP_FILE)["cases"]}
    if name not in cases:
        raise UserError(f"{sweep}: has no case {name!r}{_hint(name, cases)}")
    return Side("", name, [read_json(sweep.resolve().parent / cases[name]["run"] / RUN_FILE)])


def _folder_of(place: str) -> Path:
    """The folder that holds the run folder that `place` names."""
    path = Path(place)
    while not path.is_dir():
        path = Path(str(path).rpartition(":")[0])
    return path.resolve().parent


# ---------------------------------------------------------------- sweeps


def read_sweep(folder: Path) -> tuple[Document, list[tuple[Document, Document]], list[str]]:
    """(sweep.json, its cases that have a run folder, each with its run.json, what to say of the others)."""
    sweep = read_json(folder / SWEEP_FILE)
    found: list[tuple[Document, Document]] = []
    lost: list[str] = [item["name"] for item in sweep.get("failed") or []]
    for case in sweep["cases"]:
        if not case.get("run") or not (folder.resolve().parent / case["run"] / RUN_FILE).is_file():
            lost.append(case["name"])
            continue
        found.append((case, read_json(folder.resolve().parent / case["run"] / RUN_FILE)))
    lost = list(dict.fromkeys(lost))
    if not found:
        raise UserError(f"{folder}: none of its cases has a run folder beside it")
    notes = [f"without results, and left out: {_some(lost)}"] if lost else []
    return sweep, found, notes


def _some(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _hint(word: str, names: Iterable[str]) -> str:
    found = nearest(word, names)
    return f"; {found}" if found else ""


def _swept(runs: Iterable[tuple[Document, Document]]) -> dict[str, None]:
    return dict.fromkeys(key for case, _ in runs for key in case["labels"])


def _full_key(folder: Path, key: str, keys: Iterable[str]) -> str:
    """The swept key that is meant: its whole name, or an end of it that only one has."""
    known = list(keys)
    if key in known:
        return key
    ends = [name for name in known if name.endswith(f".{key}")]
    if len(ends) == 1:
        return ends[0]
    if ends:
        raise UserError(f"--by {key}: could be {' or '.join(ends)}")
    swept = f"swept are {', '.join(known)}" if known else "nothing is swept"
    raise UserError(f"--by {key}: not a key that {folder} sweeps{_hint(key, known)}; {swept}")


def _values(folder: Path, sweep: Document, runs: list[tuple[Document, Document]], by: str, notes: list[str]) -> list[Side]:
    """A side for each value of the key, each with the cases that are equal in all other keys, in one order."""
    key = _full_key(folder, by, _swept(runs))
    tied = _tied(key, runs)
    others = [name for name in _swept(runs) if name != key and name not in tied]
    blocks: dict[tuple[str, ...], dict[str, Document]] = {}
    without = [case["name"] for case, _ in runs if key not in case["labels"]]
    if without and len(without) < len(runs):
        notes.append(f"left out, since they do not set {key}: {_some(without)}")
        runs = [(case, run) for case, run in runs if key in case["labels"]]
    for case, run in runs:
        labels = case["labels"]
        place = tuple(str(labels.get(name, "")) for name in others)
        blocks.setdefault(place, {})[str(labels.get(key, "–"))] = run
    values = list(dict.fromkeys(str(case["labels"].get(key, "–")) for case, _ in runs))
    if len(values) < 2:
        raise UserError(f"--by {by}: all cases that have results have the same value, {values[0]}")
    whole = [block for block in blocks.values() if len(block) == len(values)]
    if not whole:
        raise UserError(
            f"--by {by}: no set of cases has all values ({_some(values)}) and is equal in {', '.join(others)}; "
            "name the cases to compare as SWEEP:CASE"
        )
    if tied:
        notes.append(f"{', '.join(tied)} changes together with {key}, so what is seen may come from either")
    if len(whole) < len(blocks):
        notes.append(f"{len(blocks) - len(whole)} of {len(blocks)} settings of the other keys have not all values of {key}: left out")
    return [Side("", f"{key}={value}", [block[value] for block in whole]) for value in values]


def _tied(key: str, runs: Sequence[tuple[Document, Document]]) -> list[str]:
    """Keys whose value decides that of `key` and is decided by it, as those of a `zip` are."""
    found = []
    for other in _swept(runs):
        pairs = {(str(case["labels"].get(key, "–")), str(case["labels"].get(other, "–"))) for case, _ in runs}
        ends = len({a for a, _ in pairs}), len({b for _, b in pairs})
        if other != key and ends[0] == ends[1] == len(pairs) > 1:
            found.append(other)
    return found


# ---------------------------------------------------------------- names and the baseline


def _baseline_first(sides: list[Side], wanted: str | None, places: Sequence[str]) -> list[Side]:
    names = [side.full for side in sides]
    for name, times in ((name, names.count(name)) for name in names):
        if times > 1:
            same = [side.runs[0]["id"] for side in sides if side.full == name]
            if len(set(same)) < len(same):
                raise UserError(f"{name}: given {times} times; two different runs are wanted")
    sides = [side._replace(full=f"{side.full}-{side.runs[0]['id']}") if names.count(side.full) > 1 else side for side in sides]
    if wanted is None:
        return sides
    index = next((k for k, side in enumerate(sides) if wanted in _spellings(side, places[k] if len(places) > 1 else "")), None)
    if index is None:
        known = [side.full for side in sides]
        raise UserError(f"--baseline {wanted}: not one of what is compared{_hint(wanted, known)}; they are {_some(known)}")
    return [sides[index], *sides[:index], *sides[index + 1 :]]


def _spellings(side: Side, place: str) -> set[str]:
    """What a side may be called by: its name, the place that was given, the value of --by, its ID."""
    return {side.full, place, place.rstrip("/"), side.full.partition("=")[2] or side.full, side.runs[0]["id"]} - {""}


def _shortened(sides: list[Side]) -> list[Side]:
    """Short names: of names like `a=1,b=2`, without the parts that all sides share."""
    parts = [side.full.split(",") for side in sides]
    shared = set(parts[0]).intersection(*parts[1:]) if all("=" in side.full for side in sides) else set()
    short = [",".join(part for part in mine if part not in shared) for mine in parts]
    good = len(set(short)) == len(short) and all(short)
    names = short if good else [side.full for side in sides]
    return [side._replace(name=_last_key(name)) for side, name in zip(sides, names, strict=True)]


def _last_key(name: str) -> str:
    """`a.b.kind=x` -> `b=x`, as in the names of a grid's cases."""
    key, equals, value = name.partition("=")
    return f"{key.removesuffix('.kind').rpartition('.')[2]}={value}" if equals and "," not in name else name
