"""Everything that a configuration can name, read from the registries of models; and the text of `mempress list`.

Needs neither pydantic nor YAML, so that `list` starts at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module

from models.contents.tables import TABLES
from models.registry import Entry
from sim.config.installed import described, installed

NOUNS = {
    "policies": "reclaim policy",
    "backends": "backend",
    "devices": "device",
    "allocators": "allocator",
    "compressors": "compressor",
    "contents": "page contents",
    "workloads": "workload",
    "lifetimes": "lifetime",
    "controllers": "controller",
}
FOLDERS = tuple(NOUNS)
_WIDEST = 90  # characters of a description that the columns make room for


@cache
def registry(folder: str) -> Mapping[str, Entry]:
    """The entries of models/FOLDER by name."""
    return {entry.name: entry for entry in import_module(f"models.{folder}.registry").REGISTRY}


def entries(folder: str | None = None) -> Iterator[tuple[str, Entry]]:
    """(folder, entry) of everything that can be named, of one folder or of all."""
    for name in (folder,) if folder else FOLDERS:
        yield from ((name, entry) for entry in registry(name).values())


def listed(folder: str | None) -> Iterator[str]:
    """The lines of `list`: everything that a configuration can name, one line each with its source."""
    table = [(entry.name, NOUNS[home], entry.doc, entry.source) for home, entry in entries(folder)]
    for home in (folder,) if folder else FOLDERS:
        table += [(name, NOUNS[home], *described(point)) for name, point in installed(home).items() if name not in registry(home)]
    if folder in (None, "contents"):
        table += [(name, "table of contents", text, "measured; see models/contents/data/README.md") for name, text in TABLES.items()]
    wide = [min(max(len(row[column]) for row in table), _WIDEST) for column in range(3)]
    for name, noun, doc, source in table:
        yield f"{noun:<{wide[1]}}  {name:<{wide[0]}}  {doc:<{wide[2]}}  {source}"
