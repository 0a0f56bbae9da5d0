"""The chunk allocator of 2006 in plain Python.  The readable specification of models/allocators/chunked.py."""

from __future__ import annotations

ENOMEM, EINVAL = 12, 22
STRUCTURE = {32: 20, 64: 40}  # of a chunk, and of the head of an object


class Chunk:
    def __init__(self, page: Page, offset: int, size: int) -> None:
        self.page, self.offset, self.size, self.used = page, offset, size, False


class Page:
    """chunks: in address order, which is this page's part of the master list."""

    def __init__(self, serial: int, size: int) -> None:
        self.serial = serial
        self.chunks = [Chunk(self, 0, size)]


class Chunked:
    """header 32 or 64 (bit); most: chunks of an object; may_take: pages that can still be had."""

    def __init__(self, page_size: int = 4096, header: int = 64, most: int = 4, may_take: int = 1 << 40, max_objects: int = 1 << 40) -> None:
        self.page_size, self.structure, self.most = page_size, STRUCTURE[header], most
        self.may_take, self.max_objects = may_take, max_objects
        self.grain = -(-page_size // 4096)
        self.free_chunks: list[list[Chunk]] = [[] for _ in range(page_size // self.grain)]  # first = head
        self.pages: list[Page] = []
        self.objects: dict[int, list[Chunk]] = {}
        self.serial = self.walked = self.copied = 0
        self._grow()

    def _list(self, chunk: Chunk) -> list[Chunk]:
        """Rounded down; what is smaller than the distance of two lists is on the first one."""
        return self.free_chunks[max(chunk.size // self.grain - 1, 0)]

    def _grow(self) -> Chunk | None:
        if self.may_take <= 0:
            return None
        self.may_take -= 1
        page = Page(self.serial, self.page_size)
        self.serial += 1
        self.pages.append(page)
        self._list(page.chunks[0]).insert(0, page.chunks[0])
        return page.chunks[0]

    def _choose(self, left: int, number: int) -> Chunk | None:
        """A chunk for what is left of an object that has so many, with this one."""
        self.walked += 1
        for row in self.free_chunks[-(-left // self.grain) - 1 :]:
            if row:
                return row[0]
        if number < self.most:
            self.walked += 1
            for row in reversed(self.free_chunks):
                if row:
                    return row[0]
        return self._grow()

    def alloc(self, key: int, size: int) -> int | list[tuple[int, int]]:
        """[(page, offset)] of the chunks, or -errno."""
        self.walked = self.copied = 0
        if size < 1 or size > self.page_size:
            return -EINVAL
        if len(self.objects) >= self.max_objects:
            return -ENOMEM
        left, got = size, []
        while left:
            chunk = self._choose(left, len(got) + 1)
            if chunk is None:
                for chunk in reversed(got):
                    chunk.used = False
                    self._list(chunk).insert(0, chunk)
                return -ENOMEM
            self._list(chunk).remove(chunk)
            if chunk.size > left:
                rest = Chunk(chunk.page, chunk.offset + left, chunk.size - left)
                chunk.size = left
                chunks = chunk.page.chunks
                chunks.insert(chunks.index(chunk) + 1, rest)
                self._list(rest).insert(0, rest)
            chunk.used = True
            got.append(chunk)
            left -= chunk.size
        self.objects[key] = got
        self.copied = size
        return self.where(key)

    def free(self, key: int) -> int:
        self.walked = self.copied = 0
        for chunk in self.objects.pop(key):
            self._free_chunk(chunk)
        return 0

    def _free_chunk(self, chunk: Chunk) -> None:
        chunk.used = False
        chunks = chunk.page.chunks
        at = chunks.index(chunk)
        self.walked += (at > 0) + (at + 1 < len(chunks))
        for other in chunks[max(at - 1, 0) : at + 2]:
            if other is not chunk and not other.used:
                self._list(other).remove(other)
                chunks.remove(other)
                chunk.offset, chunk.size = min(chunk.offset, other.offset), chunk.size + other.size
        if chunk.size == self.page_size and len(self.pages) > 1:
            self.pages.remove(chunk.page)
        else:
            self._list(chunk).insert(0, chunk)

    def where(self, key: int) -> list[tuple[int, int]]:
        return [(chunk.page.serial, chunk.offset) for chunk in self.objects[key]]

    def tally(self) -> dict[str, int]:
        """Every number of the tally, counted afresh from the pages."""
        every = [chunk for page in self.pages for chunk in page.chunks]
        return {
            "pages_taken": self.serial,
            "pages_returned": self.serial - len(self.pages),
            "pool_pages": len(self.pages),
            "objects": len(self.objects),
            "payload": sum(chunk.size for chunk in every if chunk.used),
            "meta_inside": 0,
            "meta_outside": self.structure * (len(every) + len(self.objects)),
            "lost_inside": 0,
            "free_bytes": sum(chunk.size for chunk in every if not chunk.used),
            "op_walked": self.walked,
            "op_copied": self.copied,
            "may_take": self.may_take,
        }

    def counters(self) -> dict[str, int]:
        return {"chunks": sum(len(page.chunks) for page in self.pages)}

    def lists(self) -> dict[int, list[tuple[int, int, int]]]:
        """List: (page, offset, size) of every free chunk, head first; only non-empty lists."""
        return {i: [(c.page.serial, c.offset, c.size) for c in row] for i, row in enumerate(self.free_chunks) if row}

    def check(self) -> None:
        """A page is covered by its chunks without a gap; two free ones never touch; exactly the free ones are listed."""
        for page in self.pages:
            at = 0
            for chunk, after in zip(page.chunks, [*page.chunks[1:], None], strict=True):
                assert chunk.offset == at and chunk.size > 0
                at += chunk.size
                assert chunk.used or after is None or after.used
            assert at == self.page_size
        assert {id(c) for row in self.free_chunks for c in row} == {id(c) for page in self.pages for c in page.chunks if not c.used}
