"""Folders of results: whether a place can hold them, writing them whole or not at all, and reading their documents.

A folder is written under a temporary name (`.NAME-ID.partial-PID`) beside its place and renamed when it is complete; whatever has
such a name after a crash may be deleted.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.errors import UserError

SCHEMA = 1
RUN_FILE, SWEEP_FILE, SERIES_FILE, VMSTAT_FILE, POOL_FILE = "run.json", "sweep.json", "series.csv", "vmstat.txt", "pool.trace"
PROVENANCE_FILE, REPORT_FILE, TABLE_FILE = "provenance.json", "report.html", "table.csv"
RECLAIM_FILE = "reclaim.csv"
TUNE_FILE, SENSITIVITY_FILE = "tune.json", "sensitivity.json"
BENCH_FILE, DENSITY_FILE = "bench.json", "density.csv"
FLEET_FILE, VMS_FILE = "fleet.json", "vms.csv"
ROOM_NEEDED = 16 << 20  # bytes that must be free before a simulation starts


def prepare_folder(out: Path) -> None:
    """Make DIR, and be sure that results can be written there: UserError if not."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".probe-", dir=out) as probe:
            Path(probe, "probe").write_bytes(b"\0" * 65536)
        free = shutil.disk_usage(out).free
    except FileExistsError:
        raise UserError(f"{out}: is a file; results need a folder") from None
    except NotADirectoryError:
        raise UserError(f"{out}: a part of this path is a file; results need a folder") from None
    except OSError as error:
        raise UserError(f"{out}: results cannot be written there: {error.strerror}") from None
    if free < ROOM_NEEDED:
        raise UserError(f"{out}: only {free / 2**20:.1f} MiB free there; results need at least {ROOM_NEEDED >> 20} MiB")


def write_folder(out: Path, name: str, files: Mapping[str, str]) -> Path:
    """Write `files` (name -> text) as the folder `out/name`, all or nothing; an older folder of that name is replaced."""
    target = out / name
    partial = out / f".{name}.partial-{os.getpid()}"
    old = out / f".{name}.replaced-{os.getpid()}"
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for file, text in files.items():
            (partial / file).write_text(text, encoding="utf-8", newline="\n")
        if target.exists():
            target.rename(old)
        try:
            partial.rename(target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            # another process has just written the same run
    except OSError as error:
        if old.exists() and not target.exists():
            old.rename(target)
        raise UserError(f"{target}: could not be written: {error.strerror}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return target


def write_into(folder: Path, files: Mapping[str, str]) -> Path:
    """Write `files` (name -> text) into a folder that may have others, each whole or not at all, in the order given."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            partial = folder / f".{file}.partial-{os.getpid()}"
            try:
                partial.write_text(text, encoding="utf-8", newline="\n")
                partial.replace(folder / file)
            finally:
                partial.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: could not be written: {error.strerror}") from None
    return folder


def read_json(path: Path) -> dict[str, Any]:
    """The document in a results file; UserError if it is missing or damaged."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; is this the folder of a run or a sweep?") from None
    except NotADirectoryError:
        raise UserError(f"{path.parent}: is a file; the folder of a run or a sweep is wanted") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path}: damaged: {error}") from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise UserError(f"{path}: not a results file of this version (schema {SCHEMA} is wanted)")
    return document


def existing(out: Path, folder: str, *files: str) -> dict[str, Any] | None:
    """The document of a finished run or sweep, None if it is not there or damaged; UserError if the place is taken by something else.

    files: the document's name (default run.json), then others that say that the place is ours
    """
    path = out / folder
    names = files or (RUN_FILE,)
    if not path.exists():
        return None
    if not path.is_dir() or (any(path.iterdir()) and not any((path / name).exists() for name in names)):
        raise UserError(f"{path}: something else than results is there; move it away or choose another --out")
    try:
        document = read_json(path / names[0])
    except UserError:
        return None
    return document if folder.endswith(str(document.get("id"))) else None
