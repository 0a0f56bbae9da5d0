"""Files that the command writes: whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from sim.errors import UserError


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under another name, then rename it; what is no regular file, such as /dev/stdout, is written to.

    UserError if it fails.
    """
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return
        try:
            partial.write_bytes(data)
            partial.replace(path.resolve() if path.is_symlink() else path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None


def check_place(path: Path) -> None:
    """UserError if a file cannot be written there: told before a long computation, not behind it."""
    folder = path.parent
    if not folder.is_dir():
        raise UserError(f"{path}: cannot be written: there is no folder {folder}")
    if path.is_dir():
        raise UserError(f"{path}: cannot be written: it is a folder")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise UserError(f"{path}: cannot be written: Permission denied")
