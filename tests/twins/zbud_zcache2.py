"""zbud of zcache2 in plain Python.  The readable specification of models/allocators/zbud_zcache2.py."""

from __future__ import annotations

from collections.abc import Collection

ENOMEM, EINVAL = 12, 22
HANDLE = 32


def chunks(size: int) -> int:
    return -(-(size + HANDLE) // 64)


class Page:
    """places: the key and size of the object that begins with the page, and of the one that ends with it."""

    def __init__(self, serial: int) -> None:
        self.serial = serial
        self.places: list[tuple[int, int] | None] = [None, None]

    def held(self) -> list[tuple[int, int]]:
        return [place for place in self.places if place is not None]

    def lose(self, key: int) -> None:
        self.places = [None if place is not None and place[0] == key else place for place in self.places]


class ZbudZcache2:
    """may_take: pages that can still be had."""

    def __init__(self, page_size: int = 4096, may_take: int = 1 << 40, max_objects: int = 1 << 40) -> None:
        self.page_size, self.may_take, self.max_objects = page_size, may_take, max_objects
        self.chunks = page_size // 64
        self.single: list[list[Page]] = [[] for _ in range(self.chunks)]  # [chunks used]; first = head = oldest
        self.lru: list[Page] = []  # first = longest there
        self.wanted = False  # the last store failed for want of a page
        self.kept: Page | None = None  # the page that was emptied for it
        self.objects: dict[int, Page] = {}
        self.serial = self.returned = self.walked = self.copied = 0
        self.stored = self.stored_bytes = self.evicted = self.reused = self.refused = 0

    def _return_kept(self) -> None:
        self.wanted = False
        if self.kept is not None:
            self.kept = None
            self.returned += 1

    def _take(self) -> Page | None:
        page, self.kept = self.kept, None
        if page is not None:
            self.reused += 1
        elif self.may_take > 0:
            self.may_take -= 1
            page = Page(self.serial)
            self.serial += 1
        return page

    def _find(self, need: int) -> Page | None:
        for k in range(self.chunks - need, 0, -1):
            self.walked += 1
            if self.single[k]:
                page = self.single[k].pop(0)
                self.lru.remove(page)
                return page
        return self._take()

    def _file_single(self, page: Page) -> None:
        ((_, size),) = page.held()
        self.single[chunks(size)].append(page)

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
            self.wanted = True
            return -ENOMEM
        self._return_kept()
        page.places[page.places.index(None)] = (key, size)
        self.lru.append(page)
        if len(page.held()) == 1:
            self._file_single(page)
        self.objects[key] = page
        self.copied = size
        self.stored += 1
        self.stored_bytes += size
        return self.where(key)

    def _unlist_single(self, page: Page) -> None:
        if len(page.held()) == 1:
            self.single[chunks(page.held()[0][1])].remove(page)

    def free(self, key: int) -> int:
        self.walked, self.copied = 1, 0
        page = self.objects.pop(key)
        self._unlist_single(page)
        page.lose(key)
        if page.held():
            self._file_single(page)
        else:
            self.lru.remove(page)
            self.returned += 1
        self._return_kept()
        return 0

    def evict(self, pages: int, refused: Collection[int] = ()) -> list[tuple[int, bool]]:
        """Every object that was to go, in order, and whether it went."""
        self.walked = self.copied = 0
        if self.kept is not None:
            self._return_kept()
        offered = []
        tried: list[Page] = []
        for _ in range(pages):
            self.walked += 1
            if not self.lru or self.lru[0] in tried:
                break
            page = self.lru.pop(0)
            self._unlist_single(page)
            for key, _size in page.held():
                offered.append((key, key not in refused))
                if key not in refused:
                    page.lose(key)
                    del self.objects[key]
            if page.held():
                self.refused += 1
                tried.append(page)
                self.lru.append(page)
                if len(page.held()) == 1:
                    self._file_single(page)
            else:
                self.evicted += 1
                if self.wanted:
                    self.wanted, self.kept = False, page
                else:
                    self.returned += 1
        return offered

    def where(self, key: int) -> list[tuple[int, int]]:
        page = self.objects[key]
        first, second = page.places
        if first is not None and first[0] == key:
            return [(page.serial, HANDLE)]
        assert second is not None
        return [(page.serial, self.page_size - 64 * chunks(second[1]) + HANDLE)]

    def tally(self) -> dict[str, int]:
        """Every number of the tally, counted afresh from the pages."""
        pages = len(self.lru) + (self.kept is not None)
        sizes = [size for page in self.lru for _, size in page.held()]
        taken = 64 * sum(chunks(size) for size in sizes)
        return {
            "pages_taken": self.serial,
            "pages_returned": self.returned,
            "pool_pages": pages,
            "objects": len(sizes),
            "payload": sum(sizes),
            "meta_inside": HANDLE * len(sizes),
            "meta_outside": 0,
            "lost_inside": taken - sum(sizes) - HANDLE * len(sizes),
            "free_bytes": pages * self.page_size - taken,
            "op_walked": self.walked,
            "op_copied": self.copied,
            "may_take": self.may_take,
        }

    def counters(self) -> dict[str, int]:
        now = self.tally()
        pairs = sum(len(page.held()) == 2 for page in self.lru)
        return {
            "pageframes": now["pool_pages"],
            "zpages": now["objects"],
            "zbytes": now["payload"],
            "cumul_zpages": self.stored,
            "cumul_zbytes": self.stored_bytes,
            "buddied": pairs,
            "unbuddied": len(self.lru) - pairs,
            "evicted_pageframes": self.evicted,
            "reused_pageframes": self.reused,
            "refused_pageframes": self.refused,
        }

    def lists(self) -> dict[int, list[int]]:
        """List number as in the compiled one (the LRU last): serial of every page on it, head first."""
        return {i: [page.serial for page in found] for i, found in enumerate([*self.single, self.lru]) if found}

    def check(self) -> None:
        """Every page is on the LRU, those with one object on its list as well; two objects never overlap."""
        for page in self.lru:
            assert page.held() and sum(chunks(size) for _, size in page.held()) <= self.chunks
        single = {page.serial: k for k, found in enumerate(self.single) for page in found}
        assert single == {page.serial: chunks(page.held()[0][1]) for page in self.lru if len(page.held()) == 1}
        assert {key for page in self.lru for key, _ in page.held()} == set(self.objects)
