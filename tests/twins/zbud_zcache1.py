"""zbud of zcache 1.0 in plain Python.  The readable specification of models/allocators/zbud_zcache1.py."""

from __future__ import annotations

from collections.abc import Collection

ENOMEM, EINVAL = 12, 22
DATA = 128  # offset of the first chunk
HEADER = {32: 96, 64: 128}


def chunks(size: int) -> int:
    return -(-size // 64)


class Page:
    """places: the key and size of the object that grows up from the header, and of the one that ends with the page."""

    def __init__(self, serial: int) -> None:
        self.serial = serial
        self.places: list[tuple[int, int] | None] = [None, None]

    def held(self) -> list[tuple[int, int]]:
        return [place for place in self.places if place is not None]


class ZbudZcache1:
    """header 32 or 64 (bit); may_take: pages that can still be had."""

    def __init__(self, page_size: int = 4096, header: int = 64, may_take: int = 1 << 40, max_objects: int = 1 << 40) -> None:
        self.page_size, self.header, self.may_take, self.max_objects = page_size, HEADER[header], may_take, max_objects
        self.chunks = (page_size - DATA) // 64
        self.single: list[list[Page]] = [[] for _ in range(self.chunks)]  # [chunks used]; first = head = oldest
        self.pairs: list[Page] = []  # first = oldest
        self.unused: list[Page] = []  # first = emptied last
        self.serial = self.returned = 0
        self.objects: dict[int, Page] = {}
        self.walked = self.copied = 0
        self.stored = self.stored_bytes = self.evicted_raw = self.evicted_single = self.evicted_pairs = 0
        self.stored_chunks = [0] * self.chunks

    def _list_of(self, page: Page) -> list[Page]:
        held = page.held()
        if len(held) == 2:
            return self.pairs
        return self.single[chunks(held[0][1])] if held else self.unused

    def _file(self, page: Page) -> None:
        found = self._list_of(page)
        found.insert(len(found) if page.held() else 0, page)

    def _find(self, need: int) -> Page | None:
        for k in range(self.chunks - need, 0, -1):
            self.walked += 1
            if self.single[k]:
                return self.single[k].pop(0)
        self.walked += 1
        if self.unused:
            return self.unused.pop(0)
        if self.may_take <= 0:
            return None
        self.may_take -= 1
        self.serial += 1
        return Page(self.serial - 1)

    def alloc(self, key: int, size: int) -> int | list[tuple[int, int]]:
        """[(page, offset)], or -errno."""
        self.walked = self.copied = 0
        need = chunks(size)
        if size < 1 or need > self.chunks - 1:
            return -EINVAL
        if len(self.objects) >= self.max_objects:
            return -ENOMEM
        page = self._find(need)
        if page is None:
            return -ENOMEM
        page.places[page.places.index(None)] = (key, size)
        self._file(page)
        self.objects[key] = page
        self.copied = size
        self.stored += 1
        self.stored_bytes += size
        self.stored_chunks[need] += 1
        return self.where(key)

    def _empty(self, key: int) -> Page:
        page = self.objects.pop(key)
        page.places = [None if place is not None and place[0] == key else place for place in page.places]
        return page

    def free(self, key: int) -> int:
        self.walked = self.copied = 0
        if key not in self.objects:
            return -EINVAL
        self.walked = 1
        self._list_of(self.objects[key]).remove(self.objects[key])
        self._file(self._empty(key))
        return 0

    def _evict(self, page: Page, refused: Collection[int]) -> list[tuple[int, bool]]:
        offered = [(key, key not in refused) for key, _ in page.held()]
        for key, agreed in offered:
            if agreed:
                self._empty(key)
        self._file(page)
        return offered

    def evict(self, pages: int, refused: Collection[int] = ()) -> list[tuple[int, bool]]:
        """Every object that was to go, in order, and whether it went (the original asks nobody)."""
        left = max(pages, 1)
        offered = []
        self.walked = self.copied = 0
        while self.unused and left:
            self.unused.pop(0)
            self.returned += 1
            self.evicted_raw += 1
            left -= 1
        for k in range(self.chunks - 1):  # all but the last list
            while left:
                self.walked += 1
                if not self.single[k]:
                    break
                offered += self._evict(self.single[k].pop(0), refused)
                self.evicted_single += 1
                left -= 1
        while left:
            self.walked += 1
            if not self.pairs:
                break
            offered += self._evict(self.pairs.pop(0), refused)
            self.evicted_pairs += 1
            left -= 1
        return offered

    def where(self, key: int) -> list[tuple[int, int]]:
        page = self.objects[key]
        first, second = page.places
        if first is not None and first[0] == key:
            return [(page.serial, DATA)]
        assert second is not None
        return [(page.serial, self.page_size - 64 * chunks(second[1]))]

    def tally(self) -> dict[str, int]:
        """Every number of the tally, counted afresh from the pages."""
        pages = [page for found in (*self.single, self.pairs, self.unused) for page in found]
        sizes = [size for page in pages for _, size in page.held()]
        taken = sum(chunks(size) for size in sizes)
        return {
            "pages_taken": self.serial,
            "pages_returned": self.returned,
            "pool_pages": len(pages),
            "objects": len(sizes),
            "payload": sum(sizes),
            "meta_inside": self.header * len(pages),
            "meta_outside": 0,
            "lost_inside": (DATA - self.header) * len(pages) + 64 * taken - sum(sizes),
            "free_bytes": 64 * (self.chunks * len(pages) - taken),
            "op_walked": self.walked,
            "op_copied": self.copied,
            "may_take": self.may_take,
        }

    def counters(self) -> dict[str, int]:
        now = self.tally()
        return {
            "zbud_curr_raw_pages": now["pool_pages"],
            "zbud_curr_zpages": now["objects"],
            "zbud_curr_zbytes": now["payload"],
            "zbud_cumul_zpages": self.stored,
            "zbud_cumul_zbytes": self.stored_bytes,
            "zbud_buddied_count": len(self.pairs),
            "zbpg_unused_list_count": len(self.unused),
            "evicted_raw_pages": self.evicted_raw,
            "evicted_unbuddied_pages": self.evicted_single,
            "evicted_buddied_pages": self.evicted_pairs,
        }

    def chunk_counters(self) -> dict[str, list[int]]:
        return {"zbud_unbuddied_list_counts": [len(found) for found in self.single], "zbud_cumul_chunk_counts": self.stored_chunks}

    def printed(self) -> str:
        """An `s` line of the answers."""
        values = list(self.counters().values())
        names = ("raw_pages", "zpages", "zbytes", "buddied", "unused", "raw", "unbud", "bud")
        numbers = values[:3] + values[5:]
        return " ".join([f"s {numbers[0]}", *(f"{name}={number}" for name, number in zip(names, numbers, strict=True))])

    def lists(self) -> dict[int, list[int]]:
        """List number as in the compiled one: serial of every page on it, head first."""
        every = [*self.single, self.pairs, self.unused]
        return {i: [page.serial for page in found] for i, found in enumerate(every) if found}

    def check(self) -> None:
        """Every page is on the list that its objects call for, and two objects never overlap."""
        assert not self.single[0]
        for k, found in enumerate(self.single):
            assert all([chunks(size) for _, size in page.held()] == [k] for page in found)
        assert all(not page.held() for page in self.unused)
        for page in self.pairs:
            assert len(page.held()) == 2 and sum(chunks(size) for _, size in page.held()) <= self.chunks
        assert {key for found in (*self.single, self.pairs) for page in found for key, _ in page.held()} == set(self.objects)
