"""zblock in plain Python.  The readable specification of models/allocators/zblock.py."""

from __future__ import annotations

ENOMEM, EINVAL, ENOSPC = 12, 22, 28
PAGE = 4096

# bytes of a slot, slots, pages of each type
TYPES = {
    "v2": """
        120:32/1 184:22/1 232:17/1 312:13/1 368:11/1 448:9/1 504:8/1 576:14/2 680:12/2 736:11/2 816:10/2 904:9/2 1016:8/2
        1088:15/4 1168:14/4 1256:13/4 1360:12/4 1480:11/4 1632:10/4 1816:9/4 2040:8/4 2176:15/8 2336:14/8 2512:13/8 2728:12/8
        2976:11/8 3272:10/8 3632:9/8 4672:7/8
    """,
    "v4": """
        64:63/1 120:32/1 192:21/1 264:15/1 336:12/1 400:10/1 448:9/1 504:8/1 560:29/4 624:13/2 672:6/1 736:11/2 808:5/1 904:9/2
        1016:8/2 1128:29/8 1256:13/4 1360:12/4 1480:11/4 1632:10/4 1816:9/4 1920:17/8 2040:8/4 2176:15/8 2336:14/8 2512:13/8
        2720:6/4 2968:11/8 3272:10/8 3632:9/8 4080:4/4
    """,
    "final": """
        144:28/1 224:18/1 336:12/1 400:10/1 472:17/2 536:15/2 624:13/2 672:6/1 736:11/2 808:5/1 856:19/4 904:9/2 960:17/4 1008:4/1
        1064:23/6 1112:11/3 1160:7/2 1224:10/3 1288:19/6 1352:6/2 1456:14/5 1528:8/3 1624:5/2 1696:12/5 1808:9/4 1904:15/7
        2024:2/1 2176:15/8 2264:9/5 2384:12/7 2512:13/8 2720:6/4 2968:11/8 3176:9/7 3400:6/5 3632:9/8 4080:4/4
    """,
}
HEADER = {"v2": 32, "v4": 40, "final": 48}


class Block:
    """slots: what is in each, None if it is free."""

    def __init__(self, serial: int, kind: int, slots: int) -> None:
        self.serial, self.kind = serial, kind
        self.slots: list[int | None] = [None] * slots


class Zblock:
    """table "v2", "v4" or "final"; may_take: pages that can still be had."""

    def __init__(self, table: str = "final", may_take: int = 1 << 40, max_objects: int = 1 << 40) -> None:
        self.table, self.header = table, HEADER[table]
        self.may_take, self.max_objects = may_take, max_objects
        words = [word.replace(":", "/").split("/") for word in TYPES[table].split()]
        self.types = [(int(size), int(slots), int(pages)) for size, slots, pages in words]
        self.active: list[list[Block]] = [[] for _ in self.types]  # blocks with a free slot; first = head
        self.blocks: list[Block] = []
        self.objects: dict[int, tuple[Block, int, int]] = {}  # key: block, slot, size
        self.serial = self.returned = self.walked = self.copied = 0

    def _error(self, size: int) -> int:
        """What is wrong with a size, 0 if nothing."""
        if size < 1:
            return EINVAL
        if self.table == "v2":
            return ENOSPC if size > PAGE else 0
        if self.table == "v4" and size == PAGE:
            return EINVAL
        return ENOSPC if size >= 4080 else 0

    def kind_of(self, size: int) -> int:
        return sum(size >= slot for slot, _, _ in self.types)

    def alloc(self, key: int, size: int) -> int | list[tuple[int, int]]:
        """[(page, offset)], or -errno."""
        self.walked = self.copied = 0
        if self._error(size):
            return -self._error(size)
        if len(self.objects) >= self.max_objects:
            return -ENOMEM
        kind = self.kind_of(size)
        _, slots, pages = self.types[kind]
        active = self.active[kind]
        self.walked = 1
        if not active:
            if self.may_take < pages:
                return -ENOMEM
            self.may_take -= pages
            block = Block(self.serial, kind, slots)
            self.serial += pages
            self.blocks.append(block)
            active.insert(0, block)
        block = active[0]
        slot = block.slots.index(None)
        block.slots[slot] = key
        if None not in block.slots:
            active.remove(block)
        self.objects[key] = block, slot, size
        self.copied = size
        return self.where(key)

    def free(self, key: int) -> int:
        self.walked = self.copied = 0
        block, slot, _ = self.objects.pop(key)
        active = self.active[block.kind]
        was_full = None not in block.slots
        block.slots[slot] = None
        if was_full:
            active.append(block)
        if set(block.slots) == {None}:
            active.remove(block)
            self.blocks.remove(block)
            self.returned += self.types[block.kind][2]
        return 0

    def where(self, key: int) -> list[tuple[int, int]]:
        block, slot, _ = self.objects[key]
        page, offset = divmod(self.header + slot * self.types[block.kind][0], PAGE)
        return [(block.serial + page, offset)]

    def tally(self) -> dict[str, int]:
        """Every number of the tally, counted afresh from the blocks."""
        pages = sum(self.types[block.kind][2] for block in self.blocks)
        payload = sum(size for _, _, size in self.objects.values())
        used = sum(self.types[block.kind][0] for block, _, _ in self.objects.values())
        slots = sum(self.types[block.kind][0] * self.types[block.kind][1] for block in self.blocks)
        header = self.header * len(self.blocks)
        return {
            "pages_taken": self.serial,
            "pages_returned": self.returned,
            "pool_pages": pages,
            "objects": len(self.objects),
            "payload": payload,
            "meta_inside": header,
            "meta_outside": 0,
            "lost_inside": used - payload + pages * PAGE - header - slots,
            "free_bytes": slots - used,
            "op_walked": self.walked,
            "op_copied": self.copied,
            "may_take": self.may_take,
        }

    def counters(self) -> dict[str, int]:
        kinds = [block.kind for block in self.blocks]
        return {"blocks": len(kinds)} | {f"blocks[{t}]": kinds.count(t) for t in sorted(set(kinds))}

    def lists(self) -> dict[int, list[int]]:
        """Type: serial of the first page of every block with a free slot, head first."""
        return {t: [block.serial for block in active] for t, active in enumerate(self.active) if active}

    def check(self) -> None:
        """Exactly the blocks with a free slot are listed; none is empty; every object is in its slot."""
        assert {id(b) for active in self.active for b in active} == {id(b) for b in self.blocks if None in b.slots}
        assert all(set(block.slots) != {None} for block in self.blocks)
        assert all(block.slots[slot] == key for key, (block, slot, _) in self.objects.items())
