"""Page-table pages: one frame maps a block of virtual pages, and is taken with the block's first entry."""

from __future__ import annotations

from numba import int64

from models.jit import compiled
from models.memory import state as st
from models.memory.charge import ask_charged
from models.memory.frames import spend
from models.memory.state import pages_t
from models.vmstat import NR_PAGE_TABLE_PAGES


@compiled(int64(pages_t, int64))
def table_block(pages, p):
    """The page-table page that maps virtual page p."""
    return p // pages.num[st.PAGES_PER_TABLE]


@compiled(int64(pages_t, int64))
def add_table_entry(pages, p):
    """Count an entry of p's page-table page, taking a frame for it if it is new; 0 if there is no frame."""
    table = pages.table
    block = table_block(pages, p)
    if table[block, 1] == 0:
        f = ask_charged(pages, st.TABLE)
        if f < 0:
            return 0
        spend(pages, st.BY_FAULT, pages.cost[st.C_ALLOC] + pages.cost[st.C_CLEAR] * (pages.num[st.PAGE_SIZE] >> 10))
        table[block, 1] = f + 1
        pages.vmstat[NR_PAGE_TABLE_PAGES] += 1
    return 1
