"""xcfmalloc in plain Python: a page is a list of blocks in address order.  The readable specification of models/allocators/xcfmalloc.py."""

from __future__ import annotations

ENOMEM, EINVAL = 12, 22
HEADER = {32: 12, 64: 16}
DESCRIPTOR = {32: 24, 64: 32}


class Block:
    """A block of a page, its header included.  size: whole length of a free block; header + payload of a used one."""

    def __init__(self, page: Page, offset: int, size: int) -> None:
        self.page, self.offset, self.size, self.used = page, offset, size, False


class Page:
    def __init__(self, serial: int, size: int) -> None:
        self.serial = serial
        self.blocks = [Block(self, 0, size)]


def up(size: int) -> int:
    """Round up to a multiple of 64."""
    return -(-size // 64) * 64


class Xcfmalloc:
    """rule "v1" or "v2"; header 32 or 64 (bit); may_take: pages that can still be had; descriptors: how many can exist."""

    def __init__(
        self,
        page_size: int = 4096,
        rule: str = "v2",
        header: int = 64,
        reserve: int = 32,
        may_take: int = 1 << 40,
        max_objects: int = 1 << 40,
        descriptors: int = 1 << 40,
    ) -> None:
        self.page_size, self.rule, self.bits, self.reserve = page_size, rule, header, reserve
        self.may_take, self.max_objects, self.descriptors = may_take, max_objects, descriptors
        self.header = HEADER[header]
        self.lists: list[list[Block]] = [[] for _ in range(page_size // 64)]  # first = head
        self.pages: list[Page] = []
        self.serial = 0
        self.objects: dict[int, list[Block]] = {}
        self.walked = self.copied = self.moved = 0
        self.refill()

    def descriptor_count(self) -> int:
        return sum(len(page.blocks) for page in self.pages)

    def _push(self, block: Block) -> None:
        self.lists[block.size // 64 - 1].insert(0, block)

    def _unlink(self, block: Block) -> None:
        self.lists[block.size // 64 - 1].remove(block)

    def refill(self) -> None:
        whole_pages = self.lists[-1]
        while len(whole_pages) < self.reserve and self.may_take > 0 and self.descriptor_count() < self.descriptors:
            self.may_take -= 1
            page = Page(self.serial, self.page_size)
            self.serial += 1
            self.pages.append(page)
            self._push(page.blocks[0])

    def _look(self, indices: range) -> Block | None:
        """Head of the first non-empty one of these lists."""
        for index in indices:
            self.walked += 1
            if self.lists[index]:
                return self.lists[index][0]
        return None

    def choose(self, need: int, last: bool) -> Block | None:
        t = up(need + self.header) // 64 - 1
        block = self._look(range(t, t + 1))
        if block is None and (last if self.rule == "v1" else not last):
            block = self._look(range(t, 0, -1))
        if block is None:
            block = self._look(range(t + 1, len(self.lists)))
        return block

    def _give_up(self, got: list[Block]) -> int:
        for block in reversed(got):
            block.used = False
            self._push(block)
        return -ENOMEM

    def alloc(self, key: int, size: int) -> int | list[tuple[int, int]]:
        """[(page, offset)] of the blocks, or -errno."""
        self.walked = self.copied = 0
        if size < 0 or size > self.page_size - self.header:
            return -EINVAL
        if len(self.objects) >= self.max_objects:
            return -ENOMEM
        self.refill()
        left, got = size, []
        for k in (1, 2):
            block = self.choose(left, last=k == 2)
            if block is None:
                return self._give_up(got)
            self._unlink(block)
            block.used = True
            got.append(block)
            if block.size >= left + self.header:
                break
            left -= block.size - self.header
        need = up(left + self.header)
        if block.size > need:
            if self.descriptor_count() >= self.descriptors:
                return self._give_up(got)
            tail = Block(block.page, block.offset + need, block.size - need)
            blocks = block.page.blocks
            blocks.insert(blocks.index(block) + 1, tail)
            self._push(tail)
        block.size = left + self.header
        self.objects[key] = got
        self.copied = size
        return self.where(key)

    def free(self, key: int) -> int:
        self.walked = self.copied = 0
        if key not in self.objects:
            return -EINVAL
        for block in self.objects.pop(key):
            self._free_block(block)
        while len(self.lists[-1]) > self.reserve:
            self.pages.remove(self.lists[-1].pop(0).page)
        return 0

    def _free_block(self, block: Block) -> None:
        block.used, block.size = False, up(block.size)
        blocks = block.page.blocks
        at = blocks.index(block)
        self.walked += (at > 0) + (at + 1 < len(blocks))
        if at > 0 and not blocks[at - 1].used:
            before = blocks[at - 1]
            self._unlink(before)
            before.size += block.size
            blocks.pop(at)
            at, block = at - 1, before
        if at + 1 < len(blocks) and not blocks[at + 1].used:
            after = blocks.pop(at + 1)
            self._unlink(after)
            block.size += after.size
        self._push(block)

    def compact(self, budget: int) -> int:
        """Pages freed.  Not part of the original."""
        self.walked = self.copied = freed = 0
        if budget <= 0:
            return 0
        self.walked += sum(len(page.blocks) for page in self.pages)
        received: list[Page] = []
        for page in sorted(filter(self._is_used, self.pages), key=lambda page: (self._used_bytes(page), page.serial)):
            if freed < budget and page not in received:
                plan = self._plan(page)
                if plan is not None:
                    received += self._empty(page, plan)
                    freed += 1
        return freed

    def _is_used(self, page: Page) -> bool:
        return any(block.used for block in page.blocks)

    def _used_bytes(self, page: Page) -> int:
        return sum(up(block.size) for block in page.blocks if block.used)

    def _plan(self, page: Page) -> list[tuple[Block, Block, int]] | None:
        """(used block, the free block that it goes to, offset there) for every used block of a page, in address order, or None."""
        plan: list[tuple[Block, Block, int]] = []
        for block in [block for block in page.blocks if block.used]:
            need = up(block.size)
            room = [to for blocks in self.lists[need // 64 - 1 : -1] for to in blocks]
            at = next((i for i, to in enumerate(room) if to.page is not page), None)
            self.walked += len(room) if at is None else at + 1
            if at is None:
                self._forget(plan)
                return None
            to = room[at]
            self._unlink(to)
            plan.append((block, to, to.offset))
            to.offset, to.size = to.offset + need, to.size - need
            if to.size:
                self._push(to)
        return plan

    def _forget(self, plan: list[tuple[Block, Block, int]]) -> None:
        """All free blocks get back what they gave, the last one first; each becomes the head of its list."""
        for block, to, offset in reversed(plan):
            if to.size:
                self._unlink(to)
            to.offset, to.size = offset, to.size + up(block.size)
            self._push(to)

    def _empty(self, page: Page, plan: list[tuple[Block, Block, int]]) -> list[Page]:
        """Move the blocks, give the page back; the pages that took something."""
        for block in page.blocks:
            if not block.used:
                self._unlink(block)
        self.pages.remove(page)
        for block, to, offset in plan:
            blocks = to.page.blocks
            blocks.insert(blocks.index(to), block)
            block.page, block.offset = to.page, offset
            self.moved += 1
            self.copied += block.size
        for _, to, _ in plan:
            if not to.size and to in to.page.blocks:
                to.page.blocks.remove(to)
        return [to.page for _, to, _ in plan]

    def where(self, key: int) -> list[tuple[int, int]]:
        return [(block.page.serial, block.offset) for block in self.objects[key]]

    def stored(self, key: int) -> list[int]:
        """Bytes of each block, header included."""
        return [block.size for block in self.objects[key]]

    def counters(self) -> dict[str, int]:
        reserve = len(self.lists[-1])
        return {"reserve": reserve, "page_count": len(self.pages), "descs": self.descriptor_count() - reserve}

    def tally(self) -> dict[str, int]:
        """Every number of the tally, counted afresh from the pages."""
        reserve = len(self.lists[-1])
        used = [b for page in self.pages for b in page.blocks if b.used]
        free = [b for page in self.pages for b in page.blocks if not b.used and b.size < self.page_size]
        return {
            "pages_taken": self.serial,
            "pages_returned": self.serial - len(self.pages),
            "pool_pages": len(self.pages) - reserve,
            "objects": len(self.objects),
            "payload": sum(b.size - self.header for b in used),
            "meta_inside": self.header * len(used),
            "meta_outside": DESCRIPTOR[self.bits] * (self.descriptor_count() - reserve),
            "lost_inside": sum(up(b.size) - b.size for b in used),
            "free_bytes": sum(b.size for b in free),
            "op_walked": self.walked,
            "op_copied": self.copied,
            "may_take": self.may_take,
        }

    def free_lists(self) -> dict[int, list[tuple[int, int, int]]]:
        """List index: (page, offset, length) of every block in it, head first; only non-empty lists."""
        return {i: [(b.page.serial, b.offset, b.size) for b in blocks] for i, blocks in enumerate(self.lists) if blocks}

    def check(self) -> None:
        """A page is covered by its blocks without a gap; two free ones never touch; exactly the free ones are listed."""
        for page in self.pages:
            at = 0
            for block, after in zip(page.blocks, [*page.blocks[1:], None], strict=True):
                assert block.offset == at and at % 64 == 0
                at += up(block.size)
                assert block.used or after is None or after.used
            assert at == self.page_size
        listed = sorted(id(b) for blocks in self.lists for b in blocks)
        assert listed == sorted(id(b) for page in self.pages for b in page.blocks if not b.used)
