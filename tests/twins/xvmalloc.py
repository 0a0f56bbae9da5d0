"""xvmalloc in plain Python: a page is a list of blocks in address order.  The readable specification of models/allocators/xvmalloc.py."""

from __future__ import annotations

ENOMEM, EINVAL = 12, 22
SMALLEST_LISTED = 32


class Block:
    """A block of a page.  size: payload bytes, exact in a used block."""

    def __init__(self, page: Page, offset: int, size: int, used: bool) -> None:
        self.page, self.offset, self.size, self.used = page, offset, size, used


class Page:
    def __init__(self, serial: int) -> None:
        self.serial = serial
        self.blocks: list[Block] = []


class Xvmalloc:
    """align: bytes of a header, and of the alignment; step: bytes between two lists; may_take: pages that can still be had."""

    def __init__(
        self, page_size: int = 4096, align: int = 8, step: int | None = None, may_take: int = 1 << 40, max_objects: int = 1 << 40
    ) -> None:
        self.page_size, self.align, self.may_take, self.max_objects = page_size, align, may_take, max_objects
        if step is None:
            step = 16 if page_size == 65536 else page_size // 512
        self.step = step
        self.largest = page_size - align
        self.lists: dict[int, list[Block]] = {}  # first = head; only non-empty lists are kept
        self.list_count = (self.largest - 32) // step + 1
        self.pages: list[Page] = []
        self.serial = 0
        self.objects: dict[int, Block] = {}
        self.walked = self.copied = 0

    def _round(self, size: int) -> int:
        return -(-size // self.align) * self.align

    def _index(self, payload: int) -> int:
        payload = min(payload, self.largest)
        return (payload // self.step * self.step - 32) // self.step

    def _push(self, block: Block) -> None:
        if block.size >= SMALLEST_LISTED:
            self.lists.setdefault(self._index(block.size), []).insert(0, block)

    def _unlink(self, block: Block) -> None:
        if block.size >= SMALLEST_LISTED:
            index = self._index(block.size)
            self.lists[index].remove(block)
            if not self.lists[index]:
                del self.lists[index]

    def _find(self, need: int) -> Block | None:
        start = (-(-max(need, 32) // self.step) * self.step - 32) // self.step
        self.walked += 1
        fitting = [index for index in self.lists if index >= start]
        if start >= self.list_count or not fitting:
            return None
        if min(fitting) > start:
            self.walked += 1
        return self.lists[min(fitting)][0]

    def alloc(self, key: int, size: int) -> int | list[tuple[int, int]]:
        """[(page, offset of the payload)], or -errno."""
        self.walked = self.copied = 0
        if size <= 0 or size > self.largest:
            return -EINVAL
        if len(self.objects) >= self.max_objects:
            return -ENOMEM
        need = self._round(size)
        block = self._find(need)
        if block is None:
            if self.may_take <= 0:
                return -ENOMEM
            self.may_take -= 1
            page = Page(self.serial)
            self.serial += 1
            self.pages.append(page)
            page.blocks = [Block(page, 0, self.page_size - self.align, used=False)]
            self._push(page.blocks[0])
            block = self._find(need)
        if block is None:
            return -ENOMEM
        self._unlink(block)
        rest = block.size - need
        if rest > 0:
            tail = Block(block.page, block.offset + self.align + need, rest - self.align, used=False)
            blocks = block.page.blocks
            blocks.insert(blocks.index(block) + 1, tail)
            self._push(tail)
        block.size, block.used = size, True
        self.objects[key] = block
        self.copied = size
        return self.where(key)

    def free(self, key: int) -> int:
        self.walked = self.copied = 0
        if key not in self.objects:
            return -EINVAL
        block = self.objects.pop(key)
        block.size, block.used = self._round(block.size), False
        blocks = block.page.blocks
        at = blocks.index(block)
        self.walked = (at > 0) + (at + 1 < len(blocks))
        if at + 1 < len(blocks) and not blocks[at + 1].used:
            after = blocks.pop(at + 1)
            self._unlink(after)
            block.size += self.align + after.size
        if at > 0 and not blocks[at - 1].used:
            before = blocks[at - 1]
            self._unlink(before)
            before.size += self.align + block.size
            blocks.pop(at)
            block = before
        if block.size == self.page_size - self.align:
            self.pages.remove(block.page)
        else:
            self._push(block)
        return 0

    def where(self, key: int) -> list[tuple[int, int]]:
        block = self.objects[key]
        return [(block.page.serial, block.offset + self.align)]

    def tally(self) -> dict[str, int]:
        """Every number of the tally, counted afresh from the pages."""
        used = [b for page in self.pages for b in page.blocks if b.used]
        free = [b for page in self.pages for b in page.blocks if not b.used]
        return {
            "pages_taken": self.serial,
            "pages_returned": self.serial - len(self.pages),
            "pool_pages": len(self.pages),
            "objects": len(used),
            "payload": sum(b.size for b in used),
            "meta_inside": self.align * len(used),
            "meta_outside": 0,
            "lost_inside": sum(self._round(b.size) - b.size for b in used),
            "free_bytes": sum(self.align + b.size for b in free),
            "op_walked": self.walked,
            "op_copied": self.copied,
            "may_take": self.may_take,
        }

    def free_lists(self) -> dict[int, list[tuple[int, int, int]]]:
        """List index: (page, offset of the header, payload) of every block in it, head first."""
        return {i: [(b.page.serial, b.offset, b.size) for b in self.lists[i]] for i in sorted(self.lists)}

    def check(self) -> None:
        """A page is covered by its blocks without a gap; two free ones never touch; exactly the free ones from 32 bytes on are listed."""
        for page in self.pages:
            at = 0
            for block, after in zip(page.blocks, [*page.blocks[1:], None], strict=True):
                assert block.offset == at
                at += self.align + (self._round(block.size) if block.used else block.size)
                assert block.used or after is None or after.used
            assert at == self.page_size
        listed = sorted(id(b) for blocks in self.lists.values() for b in blocks)
        assert listed == sorted(id(b) for page in self.pages for b in page.blocks if not b.used and b.size >= SMALLEST_LISTED)
