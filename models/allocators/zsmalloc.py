"""zsmalloc: size classes of zspages, chains of up to 16 single pages that objects may cross (Nitin Gupta, Seth Jennings, Minchan Kim).

Models drivers/staging/zsmalloc of Linux 3.6, mm/zsmalloc.c of 6.1, and that of 6.4 and later as found in 6.12.  The rules are told in
docs/allocators.md; the plain twin is tests/twins/zsmalloc.py.  The size classes are made in zsmalloc_classes.py, zspages.py has what a pool
consists of, zsmalloc_compaction.py its compaction.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64

from models.allocators.lists import drop_row, take_row
from models.allocators.pool import (
    COPIED,
    CROSSING,
    EINVAL,
    ENOMEM,
    ENOSPC,
    LOST_INSIDE,
    MAY_TAKE,
    META_INSIDE,
    NUMBERS,
    OBJECTS,
    OP_COPIED,
    OP_WALKED,
    PAGE_SIZE,
    PAYLOAD,
    POOL_PAGES,
    Allocator,
    Answers,
    Numbers,
    Objects,
    PoolArrays,
    always_exact,
    build_pool,
    no_compaction,
    pool_t,
)
from models.allocators.tally import start_operation
from models.allocators.zsmalloc_classes import (
    CHAIN,
    HANDLE,
    MOST_PAGES,
    SMALLEST,
    STEP_3_6,
    STEPS,
    V3_6,
    V6_1,
    SizeClass,
    Version,
    first_huge_size,
    quarters,
    size_classes,
    slots_at_most,
    tenths,
    v6_12,
)
from models.allocators.zsmalloc_compaction import compact, compactable
from models.allocators.zspages import (
    ADDED,
    ALLOCATED,
    BASE,
    BYTES,
    CAPACITY,
    CLASS,
    CLASS_WIDTH,
    CLASSES_AT,
    CLASSES_END,
    COLUMNS,
    COUNT,
    GROUPS,
    HANDLE_BYTES,
    HANDLE_LIMIT,
    HANDLE_SPARE,
    HANDLES_USED,
    HEADER,
    LAST_SLOT,
    NOT_FOUND,
    NUMBER,
    PAGE_LIMIT,
    PAGE_SHIFT,
    PAGES,
    PAGES_COMPACTED,
    POOL_WIDTH,
    POOLS,
    ROW_LIMIT,
    ROW_SHIFT,
    SECOND,
    SERIAL,
    SIZE,
    SLOT,
    STEP_SHIFT,
    TOO_LARGE,
    USED,
    ZSPAGE,
    ZSPAGE_BYTES,
    ZSPAGES,
    empty_slot,
    file_zspage,
    fullest,
    group_of,
    in_cache_lines,
    new_zspage,
    put_in,
    return_zspage,
    rows_at_most,
    settle,
    unfile_zspage,
)
from models.errors import InputError
from models.jit import compiled, inlined

DESCRIPTOR_BYTES = 56  # of a zspage, outside it; 3.6 keeps it in struct page
CHAINS = range(4, 17)
MOST_POOLS = 32
GOLDEN = 0x9E3779B1  # 2^32 / golden ratio, odd: neighbours are spread evenly


@inlined
def set_of(num):
    """Which set of classes the next object goes to: a hash of its number, as zswap of 6.2 to 6.10 hashes an entry's address."""
    row = num[HANDLE_SPARE] if num[HANDLE_SPARE] != 0 else num[HANDLES_USED] + 1
    return (row * GOLDEN & 0xFFFFFFFF) * num[POOLS] >> 32


@compiled(int64(pool_t, int64))
def alloc(pool, size):
    """Store `size` bytes: handle, -EINVAL (6.12: -ENOSPC above a page) if the size is not allowed, -ENOMEM if there is no page."""
    obj, head, num = pool.obj, pool.head, pool.num
    start_operation(num)
    if size < 1:
        return -EINVAL
    if size > num[PAGE_SIZE]:
        return -num[TOO_LARGE]
    if num[HANDLE_SPARE] == 0 and num[HANDLES_USED] >= num[HANDLE_LIMIT]:
        return -ENOMEM
    above = max(size + num[ADDED] - SMALLEST, 0)
    c = int64(head[min((above + (1 << num[STEP_SHIFT]) - 1) >> num[STEP_SHIFT], num[LAST_SLOT])])
    if num[POOLS] > 1:
        c += num[POOL_WIDTH] * set_of(num)
    z = fullest(pool, c)
    before = int64(0)
    if z != 0:
        before = group_of(pool, z)
    else:
        num[OP_WALKED] = num[NOT_FOUND]
        z = new_zspage(pool, c)
        if z == 0:
            settle(num)
            return -ENOMEM
    row = int64(take_row(obj, SIZE, num, HANDLES_USED, HANDLE_SPARE, num[HANDLE_LIMIT]))
    put_in(pool, z, row)
    obj[row, SIZE] = size
    now = group_of(pool, z)
    if now != before:
        if before != 0:
            unfile_zspage(pool, z, before)
        file_zspage(pool, z, now)
    head[c + USED] += 1
    num[OBJECTS] += 1
    num[PAYLOAD] += size
    num[META_INSIDE] += head[c + HEADER]
    num[LOST_INSIDE] += head[c + BYTES] - head[c + HEADER] - size
    num[OP_COPIED] = size
    num[COPIED] += size
    settle(num)
    return row - 1


@compiled(int64(pool_t, int64))
def free(pool, handle):
    """Free an object; an empty zspage gives its pages back at once.  -EINVAL if the object is not live."""
    obj, page, head, num = pool.obj, pool.page, pool.head, pool.num
    start_operation(num)
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, SLOT] == 0:
        return -EINVAL
    s, size = int64(obj[row, SLOT]), int64(obj[row, SIZE])
    z = int64(page[s >> ROW_SHIFT, ZSPAGE])
    c = int64(page[z, CLASS])
    before = group_of(pool, z)
    empty_slot(pool, z, s)
    obj[row, SLOT] = 0
    drop_row(obj, SIZE, num, HANDLE_SPARE, row)
    head[c + USED] -= 1
    num[OBJECTS] -= 1
    num[PAYLOAD] -= size
    num[META_INSIDE] -= head[c + HEADER]
    num[LOST_INSIDE] -= head[c + BYTES] - head[c + HEADER] - size
    now = group_of(pool, z)
    if now != before:
        unfile_zspage(pool, z, before)
        if now != 0:
            file_zspage(pool, z, now)
        else:
            return_zspage(pool, z)
    settle(num)
    return 0


@compiled(int64(pool_t, int64, Numbers))
def blocks(pool, handle, out):
    """Page serial and offset of a live object's slot; it may go on in the zspage's next page."""
    obj, page, head, num = pool.obj, pool.page, pool.head, pool.num
    row = handle + 1
    if row < 1 or row > num[HANDLES_USED] or obj[row, SLOT] == 0:
        return -EINVAL
    s = int64(obj[row, SLOT])
    z = int64(page[s >> ROW_SHIFT, ZSPAGE])
    start = (page[s >> ROW_SHIFT, BASE] + (s & (COLUMNS - 1))) * head[page[z, CLASS] + BYTES]
    out[0] = page[z, SERIAL] + (start >> num[PAGE_SHIFT])
    out[1] = start & (num[PAGE_SIZE] - 1)
    return 1


@compiled(int64(pool_t, int64))
def size_class(pool, size):
    """Number of the class that an object of this size goes to."""
    head, num = pool.head, pool.num
    above = max(size + num[ADDED] - SMALLEST, 0)
    c = int64(head[min((above + (1 << num[STEP_SHIFT]) - 1) >> num[STEP_SHIFT], num[LAST_SLOT])])
    return int64(head[c + NUMBER])


# --- making a pool -----------------------------------------------------------------------------------------------------


def _build(
    version: Version,
    groups: list[list[int]],
    classes: list[SizeClass],
    position: list[int],
    page_size: int,
    max_pages: int,
    max_objects: int,
    own: dict[int, int],
) -> PoolArrays:
    """The pool's arrays, with `head` filled in."""
    if page_size not in (4096, 8192, 16384, 32768, 65536):
        raise InputError(f"zsmalloc: pages of {page_size} bytes; known are 4, 8, 16, 32 and 64 KiB")
    start = len(position)
    pools = own.get(POOLS, 1)
    own = {**own, POOLS: pools, POOL_WIDTH: CLASS_WIDTH * len(classes)}
    classes, groups = classes * pools, groups * pools
    tables = start + CLASS_WIDTH * len(classes)
    head = np.zeros(tables + sum(map(len, groups)), np.int32)
    head[:start] = [start + CLASS_WIDTH * at for at in position]
    at = tables
    for i, (made, group) in enumerate(zip(classes, groups, strict=True)):
        c = start + CLASS_WIDTH * i
        header = 0 if made.huge else version.handle
        head[c : c + ALLOCATED] = made.index, made.size, made.pages, made.objects, header, at
        head[at : at + len(group)] = group
        at += len(group)
    num = np.zeros(NUMBERS, np.int64)
    step = page_size // STEPS if version.merge else STEP_3_6
    rows = rows_at_most(slots_at_most(classes, max_pages, max_objects), max_pages, max_objects)
    numbers = {
        PAGE_SIZE: page_size,
        PAGE_SHIFT: page_size.bit_length() - 1,
        STEP_SHIFT: step.bit_length() - 1,
        ADDED: version.handle,
        LAST_SLOT: start - 1,
        CLASSES_AT: start,
        CLASSES_END: tables,
        PAGE_LIMIT: max_pages,
        HANDLE_LIMIT: max_objects,
        ROW_LIMIT: rows,
        **own,
    }
    for index, value in numbers.items():
        num[index] = value
    return build_pool(
        np.zeros((max_objects + 1, 2), np.int32),
        in_cache_lines(rows + 1),
        np.zeros((1, 1), np.int32),
        head,
        num,
    )


def create(
    page_size: int, max_pages: int, max_objects: int, *, version: str = "auto", chain: int | str = "auto", pools: int = 1, may_take: int = 0
) -> PoolArrays:
    """An empty pool of 6.1, or of 6.4 and later (as of 6.12); takes no page before the first `alloc`.  pools: that many in one."""
    if version not in ("auto", "v6.1", "v6.12") or not (chain == "auto" or (isinstance(chain, int) and chain in CHAINS)):
        raise InputError(f"zsmalloc: version {version!r}, chain {chain!r}; known are v6.1, v6.12; auto and 4 to 16")
    if not 1 <= pools <= MOST_POOLS:
        raise InputError(f"zsmalloc: {pools} pools; expected 1 to {MOST_POOLS}")
    old = version == "v6.1"
    if old and chain not in ("auto", MOST_PAGES):
        raise InputError(f"zsmalloc: chain {chain} with version v6.1, which always has zspages of up to {MOST_PAGES} pages")
    made = V6_1 if old else v6_12(CHAIN if chain == "auto" else int(chain))
    classes, position = size_classes(made, page_size)
    groups = [quarters(3, one.objects) if old else tenths(one.objects) for one in classes]
    own = {
        MAY_TAKE: may_take,
        POOLS: pools,
        GROUPS: 2 if old else 10,
        NOT_FOUND: 3 if old else 11,
        SECOND: int(old),
        TOO_LARGE: EINVAL if old else ENOSPC,
        HANDLE_BYTES: HANDLE,
        ZSPAGE_BYTES: DESCRIPTOR_BYTES,
    }
    return _build(made, groups, classes, position, page_size, max_pages, max_objects, own)


def huge_size(page_size: int, *, version: str = "auto", chain: int | str = "auto", pools: int = 1) -> int:
    """Smallest request that is huge (see zsmalloc_classes)."""
    return first_huge_size(V6_1 if version == "v6.1" else v6_12(CHAIN if chain == "auto" else int(chain)), page_size)


def create_3_6(page_size: int, max_pages: int, max_objects: int, *, may_take: int = 0) -> PoolArrays:
    """An empty pool of 3.6."""
    classes, position = size_classes(V3_6, page_size)
    groups = [quarters(1, made.objects) for made in classes]
    own = {MAY_TAKE: may_take, GROUPS: 2, NOT_FOUND: 2, TOO_LARGE: EINVAL}
    return _build(V3_6, groups, classes, position, page_size, max_pages, max_objects, own)


# --- what the originals report -----------------------------------------------------------------------------------------


def class_rows(arrays: PoolArrays) -> list[dict[str, Any]]:
    """Every class, in ascending order, as /sys/kernel/debug/zsmalloc/POOL/classes has it; "groups" are the emptiest to the full zspages."""
    head, num = arrays.head, arrays.num
    groups = int(num[GROUPS])
    rows = head[num[CLASSES_AT] : num[CLASSES_END]].reshape(-1, CLASS_WIDTH).tolist()
    return [
        {
            "class": row[NUMBER],
            "size": row[BYTES],
            "groups": row[COUNT + 1 : COUNT + groups + 2],
            "obj_allocated": row[ALLOCATED],
            "obj_used": row[USED],
            "pages_used": row[ALLOCATED] // row[CAPACITY] * row[PAGES],
            "pages_per_zspage": row[PAGES],
            "freeable": (row[ALLOCATED] - row[USED]) // row[CAPACITY] * row[PAGES],
        }
        for row in rows
    ]


def counters(arrays: PoolArrays) -> dict[str, int]:
    """The totals of that table, and how many pages compaction has freed so far."""
    rows = class_rows(arrays)
    totals = {name: sum(row[name] for row in rows) for name in ("obj_allocated", "obj_used", "pages_used", "freeable")}
    return {**totals, "pages_compacted": int(arrays.num[PAGES_COMPACTED])}


def counters_3_6(arrays: PoolArrays) -> dict[str, int]:
    """Of 3.6, which counts pages only."""
    return {"live": int(arrays.num[POOL_PAGES])}


def _title(page_size: int, options: dict[str, Any]) -> str:
    if options.get("version") == "v6.1":
        return "zsmalloc, Linux 6.1.192 (Debian 6.1.192-2), max 4 pages per zspage"
    chain = options.get("chain", "auto")
    return f"zsmalloc, Linux 6.12.117 (Debian 6.12.117-1~deb12u1), chain size {CHAIN if chain == 'auto' else chain}"


def _title_3_6(page_size: int, options: dict[str, Any]) -> str:
    return "staging zsmalloc, Linux 3.6, 64-bit"


def _statistics(arrays: PoolArrays) -> list[str]:
    def line(row: dict[str, Any]) -> str:
        start = [row[name] for name in ("class", "size", "obj_allocated", "obj_used", "pages_used")]
        return " ".join(map(str, ["k", *start, *row["groups"], row["freeable"]]))

    return [f"s {int(arrays.num[POOL_PAGES])}", *(line(row) for row in class_rows(arrays) if row["obj_allocated"])]


def _compact(arrays: PoolArrays) -> list[str]:
    estimate = compactable(arrays.pool)
    return [f"c {compact(arrays.pool, estimate)} {estimate}"]


def _reclaim(arrays: PoolArrays, objects: Objects, pages: int) -> list[str]:
    return ["r -1 0"]


ZSMALLOC = Allocator(
    create,
    alloc,
    free,
    compact,
    blocks,
    always_exact,
    counters,
    answers=Answers(_title, statistics=_statistics, compact=_compact, reclaim=_reclaim),
    layout=CROSSING,
    movable_request=True,
    migratable=True,
    compactable=compactable,
    size_class=size_class,
    huge_size=huge_size,
    slabs=((HANDLE, OBJECTS, 1), (DESCRIPTOR_BYTES, ZSPAGES, 1)),
)
ZSMALLOC_3_6 = Allocator(
    create_3_6,
    alloc,
    free,
    no_compaction,
    blocks,
    always_exact,
    counters_3_6,
    answers=Answers(_title_3_6, errno=False),
    layout=CROSSING,
)
