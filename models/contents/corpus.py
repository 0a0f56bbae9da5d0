"""Corpus contents: any file, directory or memory image, cut into pages and compressed with the real compressor before the run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.contents.pages import must_compress, page_sizes
from models.contents.rows import ContentContext, Rows
from models.errors import InputError


def build(options: dict[str, Any], context: ContentContext) -> Rows:
    """Rows of the pages of `path`, at most `limit` bytes of it; the end of a file is filled with zeros, as in the page cache.

    Raises InputError if nothing can be read there or the compressor has no real implementation.
    """
    must_compress("corpus", context.compressor)
    path = Path(options["path"])
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    try:
        sizes = page_sizes(_pages(files, context.page_size, options["limit"]), context.compressor)
    except OSError as error:
        raise InputError(f"contents corpus: {error.filename or path}: {error.strerror or error}") from None
    if not len(sizes):
        raise InputError(f"contents corpus: {path}: there are no bytes to cut into pages")
    note = f"corpus: {len(sizes)} pages of {path.name}, compressed with {context.compressor.name}"
    return Rows(sizes, context.compressor.same_size(context.page_size), note)


def _pages(files: list[Path], page_size: int, limit: int) -> Iterator[bytes]:
    left = max(limit // page_size, 1)
    for path in files:
        with path.open("rb") as file:
            while left and (page := file.read(page_size)):
                left -= 1
                yield page.ljust(page_size, b"\0")
