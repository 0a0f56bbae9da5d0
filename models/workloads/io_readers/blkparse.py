"""Text of blkparse (blktrace 1.2), as it is printed by default: `  8,0    3        1     0.000000000   697  Q   W 223490 + 8 [kjournald]`.

Device, CPU, number, seconds, pid, action, kind of I/O, sector + sectors.  Requests are taken where they are queued (action Q); other
actions, discards, flushes without data, and all from the summary (`CPU0 (8,0):`) on are passed over.  Sectors have 512 bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from models.workloads.io_readers.rows import requests
from models.workloads.io_readers.source import LARGEST_REQUEST, Reader, Requests, Stream
from models.workloads.readers.source import first_lines

_LINE = re.compile(r"\s*[0-9]{1,4},[0-9]{1,7}\s+[0-9]+\s+[0-9]+\s+[0-9]{1,9}\.[0-9]+\s+[0-9]+\s+[A-Za-z]{1,2}(\s.*)?")


def _sniff(data: bytes, options: dict[str, Any]) -> bool:
    rows = [line for line in first_lines(data) if line.strip()]
    return options["columns"] is None and bool(rows) and _LINE.fullmatch(rows[0]) is not None


def _open(path: Path, options: dict[str, Any]) -> Stream:
    from models.workloads.io_readers import scan

    def message(error: int, _state: np.ndarray) -> str:
        words = {
            scan.BAD_TIME: "the time: seconds, 0 or more, with a point",
            scan.BAD_DEVICE: "a device, major,minor, below 4096,1048576",
            scan.BAD_LENGTH: f"0 to {LARGEST_REQUEST // 512} sectors",
        }
        if error == scan.BEHIND:
            return f"the time lies more than {options['backwards']} ns before an earlier line's (setting: backwards)"
        if error == scan.BEYOND:
            return f"the request ends behind the device's last byte: {options['limit_is']}"
        detail = f", {words[error]}" if error in words else ""
        return f"expected a line of blkparse such as '8,0 3 1 0.000000000 697 Q W 223490 + 8 [name]'{detail}"

    def blocks() -> Iterator[Requests]:
        rules, row = np.zeros(scan.RULES, np.int64), np.zeros(scan.TICKS + 1, np.int64)
        rules[scan.BACKWARDS], rules[scan.LIMIT] = options["backwards"], options["limit"]
        return requests(path, lambda buffer, length, *others: scan.scan_blkparse(buffer, length, rules, row, *others), message, 0, options)

    return Stream(blocks, True)


READER = Reader(_sniff, _open)
