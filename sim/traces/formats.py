"""The formats of all three families of readers under one name each, and which of them a file is.

objects  ids and nothing else, or with times and sizes (models/cache/readers)
pages    page accesses of a program (models/workloads/readers)
blocks   block I/O (models/workloads/io_readers)
`text` and `csv` belong to all three: what their columns are decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from models.cache.readers.registry import REGISTRY as OBJECTS
from models.registry import Entry, resolve
from models.workloads.io_readers.registry import REGISTRY as BLOCKS
from models.workloads.readers.columns import heading_words, is_heading
from models.workloads.readers.csv import separator_of
from models.workloads.readers.ids import NAMES as OF_OBJECTS
from models.workloads.readers.registry import REGISTRY as PAGES
from models.workloads.readers.source import first_lines, head
from sim.errors import UserError

AUTO = "auto"
OBJECT, PAGE, BLOCK = "objects", "pages", "blocks"
_ROWS = ("text", "csv")
_ID = {"id", "key", "obj_id", "objid", "object", "object_id"}
_PLACE = {"address", "addr", "page", "pfn"}
_SECTOR = {"sector", "sectors", "lba", "offset"}


class Format(NamedTuple):
    """One reader; family: which contract it follows."""

    family: str
    entry: Entry


def _formats(family: str, entries: Sequence[Entry], without: Sequence[str] = ()) -> list[Format]:
    return [Format(family, entry) for entry in entries if entry.name not in without]


# what has a magic or an unmistakable line comes before what many files could be
_ASKED = (
    *_formats(PAGE, PAGES, (*_ROWS, *OF_OBJECTS)),
    *_formats(BLOCK, BLOCKS, _ROWS),
    *_formats(OBJECT, OBJECTS),
)
NAMES = (AUTO, *_ROWS, *dict.fromkeys(f.entry.name for f in _ASKED if f.entry.name not in _ROWS))


def _family_of_names(names: Sequence[str]) -> str:
    """By what the columns are called; "" if that does not tell."""
    found = {*names}
    return OBJECT if found & _ID else BLOCK if found & _SECTOR else PAGE if found & (_PLACE | {"block"}) else ""


def _family_of_rows(path: Path, start: bytes, columns: Sequence[str] | None, separator: str) -> str:
    """Which family a table belongs to.  UserError if its columns do not tell."""
    lines = [(n, line) for n, line in enumerate(first_lines(start), 1) if line.strip() and not line.lstrip().startswith("#")]
    number, first = lines[0] if lines else (1, "")
    words = heading_words(first, separator)
    if family := _family_of_names(columns if columns is not None else words if is_heading(words) else ()):
        return family
    if columns is None and not is_heading(words):
        if len(words) == 1 and not separator:
            return OBJECT
        if len(words) in (1, 2) or (len(words) == 3 and not words[2][:1].isalpha()):
            return PAGE
        if len(words) in (3, 4, 5):
            return BLOCK
    raise UserError(
        f"{path}:{number}: {len(words)} columns: say what they are, with --columns time,id,size (objects), time,op,address (pages) or "
        "time,device,sector,sectors,op (block I/O)"
    )


def _named(family: str, name: str) -> Format:
    entries = {OBJECT: OBJECTS, PAGE: PAGES, BLOCK: BLOCKS}[family]
    return Format(family, next(entry for entry in entries if entry.name == name))


def _rows(path: Path, start: bytes, columns: Sequence[str] | None, name: str) -> Format:
    separator = separator_of(start) if name == "csv" else ""
    family = _family_of_rows(path, start, columns, separator)
    if family == OBJECT and columns is not None:
        name = "csv"  # the reader of tables of objects takes blanks too
    return _named(family, name)


def _is_text(start: bytes) -> bool:
    return start.translate(None, bytes(range(9)) + bytes(range(14, 32)) + bytes(range(127, 256))) == start


def _sniffed(form: Format, start: bytes, options: dict[str, Any]) -> bool:
    reader = resolve(form.entry.target)
    return bool(reader.sniff(start, options) if form.family == BLOCK else reader.sniff(start))


def recognised(path: Path, wanted: str, options: dict[str, Any]) -> Format:
    """The format that is asked for, or whose own the file is.  UserError if it is nobody's."""
    start = head(path)
    columns = options.get("columns")
    if wanted in _ROWS:
        return _rows(path, start, columns, wanted)
    if wanted != AUTO:
        return next(form for form in _ASKED if form.entry.name == wanted)
    if columns is not None:
        return _rows(path, start, columns, "csv" if separator_of(start) else "text")
    for form in _ASKED:
        if _sniffed(form, start, options):
            return form
        if form.entry.name == "text" and _is_text(start) and any(c in b"0123456789" for c in start):
            return _rows(path, start, columns, "csv" if separator_of(start) else "text")
    raise UserError(
        f"{path}: at byte 0: not a trace that can be read: expected one of {', '.join(NAMES[1:])} (plain, gz, xz, bz2 or zstd); "
        f"it begins with {start[:16]!a}"
    )
