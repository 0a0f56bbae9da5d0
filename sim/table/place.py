"""Opening the file: the connection, and whether it lies on a network file system."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

NETWORK = re.compile(r"nfs4?|cifs|smb3|smbfs|lustre|gpfs|beegfs|ceph|afs|9p|pvfs2|orangefs|ocfs2|gfs2|(fuse\.)?glusterfs|fuse\.sshfs")


def connect(path: Path, wait_s: float, new: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode.

    mode=rw also for readers: SQLite takes a file that may only be read as such, and a journal that a kill left must be played back.
    """
    uri = f"{path.resolve().as_uri()}?mode={'rwc' if new else 'rw'}"
    return sqlite3.connect(uri, uri=True, timeout=wait_s, isolation_level=None)


def on_network(path: Path, mounts: Path = Path("/proc/self/mounts")) -> bool:
    """Whether the file lies on a file system of other machines, as far as Linux says."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    place = path.resolve()
    fields = [line.split(" ") for line in lines]
    kinds = {field[1].replace("\\040", " "): field[2] for field in fields if len(field) > 2}
    home = max((mount for mount in kinds if place.is_relative_to(mount)), key=len, default="")
    return NETWORK.fullmatch(kinds.get(home, "")) is not None
