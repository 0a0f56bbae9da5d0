"""Input files of a configuration that are somewhere else where it is simulated."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.errors import UserError
from sim.results import hash_path

MOST_SENT = 256 << 20  # bytes of input files that are sent along; more must be on a file system that the workers share


def moved(value: Any, places: Mapping[str, str]) -> Any:
    """A configuration as plain data (`resolved`) with other paths: path as named -> where it is."""
    if isinstance(value, Mapping):
        return {key: moved(item, places) for key, item in value.items()}
    if isinstance(value, list):
        return [moved(item, places) for item in value]
    if not isinstance(value, str):
        return value
    file, colon, name = value.rpartition(":")  # a plug-in is FILE:NAME
    return f"{places[file]}:{name}" if colon and file in places else places.get(value, value)


def relocated(config: Any, places: Mapping[str, str]) -> Any:
    """The same configuration with other paths."""
    if all(path == place for path, place in places.items()):
        return config
    from sim.config.schema import Config

    return Config.from_dict(moved(config.resolved(), places))


class Inputs:
    """What a worker needs of the input files: their hashes, and their bytes unless there are too many.

    paths  as the configurations name them -> (sha256 of the content, {file below it, or "": bytes} or None)
    """

    def __init__(self, paths: Mapping[str, tuple[str, Mapping[str, bytes] | None]]) -> None:
        self.paths = dict(paths)

    def settle(self, folder: str) -> dict[str, str]:
        """On a worker: path as named -> where it is here; what is missing is written below `folder`.

        What neither is there nor was sent is left out.
        """
        found = {}
        for path, (digest, files) in self.paths.items():
            if _has(path, digest):
                found[path] = path
            elif files is not None:
                found[path] = _written(Path(folder), Path(path).name, digest, files)
        return found


def _has(path: str, digest: str) -> bool:
    try:
        return os.path.exists(path) and hash_path(Path(path)) == digest
    except (OSError, UserError):
        return False


def _written(folder: Path, name: str, digest: str, files: Mapping[str, bytes]) -> str:
    """A file or a folder of files below `folder`, made once."""
    target = folder / digest[:16] / name
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=target.parent))
        for inner, data in files.items():
            place = partial / name / inner if inner else partial / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        with contextlib.suppress(OSError):  # somebody else was quicker
            (partial / name).rename(target)
    return str(target)


def with_contents(paths: Sequence[Path]) -> Inputs:
    """What workers need of these files, read here."""
    size = 0
    found: dict[str, tuple[str, Mapping[str, bytes] | None]] = {}
    for path in paths:
        inside = {"": path} if path.is_file() else {p.relative_to(path).as_posix(): p for p in sorted(path.rglob("*")) if p.is_file()}
        size += sum(p.stat().st_size for p in inside.values())
        data = {name: p.read_bytes() for name, p in inside.items()} if size <= MOST_SENT else None
        found[str(path)] = (hash_path(path), data)
    return Inputs(found)
