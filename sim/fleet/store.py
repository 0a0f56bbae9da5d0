"""What a fleet's finished runs gave, kept as they come: a file of JSON lines that is only ever appended to.

A line is `{"id": ..., "scalars": {...}}`, id a hash of all that decides the run, so a run that is there is never repeated, whatever
else changed in the configuration.  A process that was killed leaves at most one broken line, which is passed over.
"""

from __future__ import annotations

import fcntl
import json
from pathlib import Path
from typing import Any, TextIO

from sim.errors import UserError

FILE = "runs.jsonl"


class Store:
    """The runs in a folder.  Raises UserError if it cannot be used, or another process uses it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.found: dict[str, dict[str, Any]] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file: TextIO = self.path.open("a+", encoding="utf-8")
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{self.path}: another mempress is simulating this fleet; wait for it, or choose another --out") from None
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written: {error.strerror}") from None
        self._read()

    def _read(self) -> None:
        self._file.seek(0)
        line = ""
        for line in self._file:
            try:
                entry = json.loads(line)
                self.found[entry["id"]] = entry["scalars"]
            except (ValueError, KeyError, TypeError):
                continue
        if line and not line.endswith("\n"):
            self._file.write("\n")

    def keep(self, key: str, scalars: dict[str, float]) -> None:
        """Add a finished run."""
        self.found[key] = scalars
        try:
            self._file.write(json.dumps({"id": key, "scalars": scalars}) + "\n")
            self._file.flush()
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written: {error.strerror}; what was kept before is kept") from None

    def close(self) -> None:
        """Let other processes have it."""
        self._file.close()
