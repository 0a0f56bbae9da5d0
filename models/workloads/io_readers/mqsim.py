"""Traces of the MQSim simulator (CMU-SAFARI/MQSim, traces/): `time ns, device, sector, sectors, 0 = write or 1 = read` between blanks.

Mind the last column: it is the other way round in most other tools, and in `text` and `csv` here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.workloads.io_readers.rows import BY_NUMBER, Layout, first_row, open_rows
from models.workloads.io_readers.source import Reader, Stream


def _sniff(data: bytes, options: dict[str, Any]) -> bool:
    fields = first_row(data)[1].split()
    return options["columns"] is None and len(fields) == 5 and all(f.isdigit() for f in fields) and fields[-1] in ("0", "1")


def _open(path: Path, options: dict[str, Any]) -> Stream:
    return open_rows(path, options, "", Layout(BY_NUMBER[5], zero_is_write=True))


READER = Reader(_sniff, _open)
