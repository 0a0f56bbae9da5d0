"""What SQLite says, as a message for people: which file, what is the matter, what to do.

The codes are SQLite's primary result codes (https://www.sqlite.org/rescode.html).
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sim.errors import UserError

RUN_AGAIN = "move it away and run the sweep again: runs that are there are not repeated, only the table is made anew"

_LOCKED = "is locked by another process; another mempress may be writing the same sweep: wait until it is done, or stop it"
_FULL = "the disk is full; the rows that were there are kept: free some space, then run the sweep again to go on"
_DENIED = "cannot be opened or written: its folder is not there, it may not be written, or the file system is read-only"
_DAMAGED = f"is damaged, or is not a table of a sweep; {RUN_AGAIN}"
_BROKEN = (
    "cannot be read or written; the disk may be full, a quota or a limit on the size of files used up, or the disk broken; "
    "the rows that were there are kept: make room, then run the sweep again to go on"
)
_MESSAGES = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_PROTOCOL: _LOCKED,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_PERM: _DENIED,
    sqlite3.SQLITE_READONLY: _DENIED,
    sqlite3.SQLITE_CANTOPEN: _DENIED,
    sqlite3.SQLITE_AUTH: _DENIED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_IOERR: _BROKEN,
}


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns what SQLite raises about the file into a UserError; a mistake of ours passes through as it is."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        text = _MESSAGES.get(code & 0xFF) if code is not None else None
        if text is None:
            raise
        raise UserError(f"{path}: {text} (SQLite: {error})") from None
