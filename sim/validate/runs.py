"""A folder of measured runs: repeats of one configuration together."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sim.errors import UserError
from sim.validate.measured import GUIDE, Measured, read_run

ENDINGS = (".json", ".json.gz")


class Configuration(NamedTuple):
    """The repeats of one configuration, by their number."""

    name: str
    runs: tuple[Measured, ...]

    @property
    def completed(self) -> list[Measured]:
        return [run for run in self.runs if run.done]

    @property
    def simulated(self) -> Measured:
        """The run from whose start all repeats are simulated: the first that was completed, or else the first."""
        return (self.completed or list(self.runs))[0]


class Folder(NamedTuple):
    """What is in a folder: configurations in the order of their names, and what was wrong with the files left out."""

    place: Path
    configurations: list[Configuration]
    skipped: list[str]


def read_folder(folder: Path, only: Sequence[str] = (), skip_bad: bool = False) -> Folder:
    """Read all runs of `folder`, or of its folder `runs` if it holds none itself.

    only      patterns (* and ?) for the names of configurations
    skip_bad  leave out files that are not measured runs, instead of stopping at the first
    Raises UserError.
    """
    place, files = _files_of(folder)
    runs: dict[str, dict[int, Measured]] = {}
    skipped: list[str] = []
    for path in files:
        try:
            _take(runs, read_run(path))
        except UserError as error:
            if not skip_bad:
                raise UserError(f"{error}; --skip-bad leaves such files out") from None
            skipped.append(str(error))
    found = [Configuration(name, tuple(repeats[rep] for rep in sorted(repeats))) for name, repeats in sorted(runs.items())]
    picked = [one for one in found if not only or any(fnmatch.fnmatchcase(one.name, pattern) for pattern in only)]
    if not picked:
        wanted = f" has no run named {' or '.join(only)}; it has {_some(list(runs))}" if found else " holds no measured run"
        raise UserError(f"{place}:{wanted}" + ("" if found else f": no file could be used ({len(skipped)} left out)"))
    return Folder(place, picked, skipped)


def _files_of(folder: Path) -> tuple[Path, list[Path]]:
    if not folder.is_dir():
        raise UserError(f"{folder}: {'is a file' if folder.exists() else 'is not there'}; expected a folder of measured runs")
    for place in (folder, folder / "runs"):
        if place.is_dir():
            files = sorted(path for path in place.iterdir() if path.name.endswith(ENDINGS) and not path.name.startswith("."))
            if files:
                return place, files
    raise UserError(f"{folder}: no *.json or *.json.gz in it; expected one file a measured run ({GUIDE})")


def _take(runs: dict[str, dict[int, Measured]], run: Measured) -> None:
    """Put a run to the repeats of its configuration, which must be one and the same."""
    repeats = runs.setdefault(run.name, {})
    for other in list(repeats.values())[:1]:
        for part, mine, its in (("config", run.config, other.config), ("workload", run.workload, other.workload)):
            if mine != its:
                keys = [key for key in {**mine, **its} if mine.get(key) != its.get(key)]
                raise UserError(
                    f"{run.path}: {part}.{keys[0]} is {mine.get(keys[0])!r}, in {other.path.name} of the same name it is "
                    f"{its.get(keys[0])!r}; repeats have one configuration, another one needs another name"
                )
    if run.rep in repeats:
        raise UserError(f"{run.path}: is repeat {run.rep} of {run.name}, and so is {repeats[run.rep].path.name}; number them in `rep`")
    repeats[run.rep] = run


def _some(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(sorted(names)[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
