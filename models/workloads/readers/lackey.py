"""valgrind's lackey output (`--tool=lackey --trace-mem=yes`), directly.

Lines `I  ADDRESS,SIZE` (instruction fetch), ` L` (load), ` S` (store), ` M` (modify: both); valgrind's own lines begin with == or --.
Fetches only count time; time is the number of instructions so far.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from models.workloads.readers.source import Reader, Source, first_lines

_LINE = re.compile(r"(I | [LSM]) [0-9a-fA-F]+,[0-9]+")


def _sniff(head: bytes) -> bool:
    lines = [line for line in first_lines(head) if line.strip() and not line.startswith(("==", "--"))]
    return _LINE.fullmatch(lines[0].rstrip()) is not None if lines else head.startswith(b"==") and b"valgrind" in head.lower()


def message(_code: int, _state: np.ndarray) -> str:
    return "expected a line of lackey such as ' L 1ffefffe3c,8' (I, L, S or M; address in hexadecimal below 2^63; size)"


def _open(path: Path, options: dict[str, Any]) -> Source:
    from models.workloads.readers.lines import blocks_of_lines
    from models.workloads.readers.scan import scan_lackey

    return Source(lambda: blocks_of_lines(path, scan_lackey, message, 0, options.get("skipped")), "instructions", 1)


READER = Reader(_sniff, _open)
