"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from sim.errors import UserError


@contextlib.contextmanager
def output(path: Path, force: bool) -> Iterator[BinaryIO]:
    """A file that gets its name when the block has ended without an error.

    It is written beside `path`, under a name of its own, and then renamed.  UserError if there is such a file already (unless `force`),
    or it cannot be written.
    """
    if path.exists() and not force:
        raise UserError(f"{path}: exists already; --force writes it anew")
    if path.is_dir():
        raise UserError(f"{path}: is a folder; expected the name of a file")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            yield file
        if force:
            partial.replace(path)
        else:
            _name(partial, path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def _name(partial: Path, path: Path) -> None:
    """Give the file its name, never taking it from another that has appeared in the meantime."""
    try:
        os.link(partial, path)
    except FileExistsError:
        raise UserError(f"{path}: exists already; --force writes it anew") from None
    except OSError:  # a file system without hard links
        partial.rename(path)
