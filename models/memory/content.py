"""What a page's present content compresses to, from the tables made before the run (models.contents.rows)."""

from __future__ import annotations

from numba import int64

from models.jit import compiled
from models.memory import state as st
from models.memory.state import pages_t


@compiled(int64(pages_t, int64, int64, int64))
def size_by(pages, process, p, compressor):
    """Compressed size of a page's present content, bytes, by the backend's first, second ... compressor (0, 1 ...).

    0 is same-filled, page size or more does not compress.  A page never written holds zeros, unless the contents are the recorded
    history of these very pages (stride 0).
    """
    proc = pages.proc
    written = int64(pages.version[p])
    rows = proc[process, st.ROWS]
    stride = proc[process, st.STRIDE]
    if rows == 0 or (written == 0 and stride != 0):
        return 0
    version = max(written - 1, 0)
    row = min(version, proc[process, st.VERSIONS] - 1) * rows + (p - proc[process, st.FIRST_PAGE] + version * stride) % rows
    return int64(pages.rows[proc[process, st.ROW_FIRST] + row + compressor * pages.num[st.ROWS_STEP]])


@compiled(int64(pages_t, int64, int64))
def content_size(pages, process, p):
    """The same by the first."""
    return size_by(pages, process, p, int64(0))
