"""Block I/O traces of Microsoft Research Cambridge, as the SNIA's repository has them (Narayanan, Donnelly, Rowstron, FAST 2008).

CSV without a heading: timestamp (Windows file time, units of 100 ns), host name, disk number, Read or Write, offset and size in bytes,
response time.  Host name and response time are not read: a file is one host's.  Time counts from the first line.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from models.errors import InputError
from models.workloads.io_readers.rows import Layout, first_row, open_rows
from models.workloads.io_readers.source import Reader, Stream
from models.workloads.readers.source import head, shown

_COLUMNS = ("ticks", "-", "device", "op", "offset", "bytes", "-")
_LINE = re.compile(r"\s*([0-9]{1,18}),[^,]*,[0-9]+,(read|write),[0-9]+,[0-9]+,[0-9]+\s*", re.I)


def _sniff(data: bytes, options: dict[str, Any]) -> bool:
    return options["columns"] is None and _LINE.fullmatch(first_row(data)[1]) is not None


def _open(path: Path, options: dict[str, Any]) -> Stream:
    number, line = first_row(head(path))
    ticks = re.match(r"\s*([0-9]{1,18}),", line)
    if ticks is None:
        raise InputError(
            f"{path}:{max(number, 1)}: not an MSR trace: expected 7 columns (timestamp in 100 ns, host, disk, Read or Write, offset, size, "
            f"response time); found {shown(line.encode())}"
        )
    return open_rows(path, options, ",", Layout(_COLUMNS, unit=100, origin=int(ticks[1])))


READER = Reader(_sniff, _open)
