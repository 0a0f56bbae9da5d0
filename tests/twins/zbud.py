"""zbud of Linux 6.1 in plain Python.  The readable specification of models/allocators/zbud.py."""

from __future__ import annotations

from collections.abc import Collection

EAGAIN, ENOMEM, EINVAL, ENOSPC = 11, 12, 22, 28
HEADER = 48
CHUNKS = 63  # of a page, behind the one that holds the header


class Page:
    """places: the key and size of the object that grows up from the header, and of the one that ends with the page."""

    def __init__(self, serial: int) -> None:
        self.serial = serial
        self.places: list[tuple[int, int] | None] = [None, None]
        self.claimed = False
        self.offers: list[int] = []  # places of a claimed page that are still to be offered
        self.last = -1  # key that was offered last

    def held(self) -> list[tuple[int, int]]:
        return [place for place in self.places if place is not None]


class Zbud:
    """may_take: pages that can still be had."""

    def __init__(self, page_size: int = 4096, may_take: int = 1 << 40, max_objects: int = 1 << 40) -> None:
        self.page_size, self.may_take, self.max_objects = page_size, may_take, max_objects
        self.chunk = page_size // 64
        self.single: list[list[Page]] = [[] for _ in range(CHUNKS)]  # [free chunks]; first = head
        self.pairs: list[Page] = []
        self.lru: list[Page] = []  # first = most recent
        self.claimed: list[Page] = []
        self.serial = self.returned = 0
        self.objects: dict[int, Page] = {}
        self.walked = self.copied = 0
        self.goal = self.tries = 0

    def chunks(self, size: int) -> int:
        return -(-size // self.chunk)

    def _list_of(self, page: Page) -> list[Page]:
        used = [self.chunks(size) for _, size in page.held()]
        return self.pairs if len(used) == 2 else self.single[CHUNKS - used[0]]

    def _find(self, need: int) -> Page | None:
        for k in range(need, CHUNKS):
            self.walked += 1
            if self.single[k]:
                page = self.single[k].pop(0)
                self.lru.remove(page)
                return page
        if self.may_take <= 0:
            return None
        self.may_take -= 1
        self.serial += 1
        return Page(self.serial - 1)

    def alloc(self, key: int, size: int) -> int | list[tuple[int, int]]:
        """[(page, offset)], or -errno."""
        self.walked = self.copied = 0
        need = self.chunks(size)
        if size < 1:
            return -EINVAL
        if need > CHUNKS - 1:
            return -ENOSPC
        if len(self.objects) >= self.max_objects:
            return -ENOMEM
        page = self._find(need)
        if page is None:
            return -ENOMEM
        page.places[page.places.index(None)] = (key, size)
        self._list_of(page).insert(0, page)
        self.lru.insert(0, page)
        self.objects[key] = page
        self.copied = size
        return self.where(key)

    def free(self, key: int) -> int:
        self.walked = self.copied = 0
        if key not in self.objects:
            return -EINVAL
        page = self.objects[key]
        if not page.claimed:
            self.walked = 1
            self._list_of(page).remove(page)
        del self.objects[key]
        page.places = [None if place is not None and place[0] == key else place for place in page.places]
        if page.claimed:
            return 0
        if page.held():
            self._list_of(page).insert(0, page)
        else:
            self.lru.remove(page)
            self.returned += 1
        return 0

    def start(self, pages: int) -> None:
        """Begin an eviction."""
        self.goal, self.tries = pages, 0

    def begin(self) -> Page | int:
        """The next page to empty; 0, or -errno."""
        self.walked = self.copied = 0
        if self.goal <= 0:
            return 0
        if self.tries == 8:
            return -EAGAIN
        if not self.lru:
            return -EINVAL
        self.tries += 1
        self.walked = 1
        page = self.lru.pop()
        self._list_of(page).remove(page)
        self.claimed.append(page)
        page.claimed, page.offers, page.last = True, [0, 1], -1
        return page

    def next(self, page: Page) -> int | None:
        """The next object to lose."""
        if page.last in [key for key, _ in page.held()]:
            return None
        while page.offers:
            place = page.places[page.offers.pop(0)]
            if place is not None:
                page.last = place[0]
                return page.last
        return None

    def done(self, page: Page) -> bool:
        """Whether the page counts."""
        self.walked = self.copied = 0
        self.claimed.remove(page)
        page.claimed = False
        if page.held():
            self._list_of(page).insert(0, page)
            self.lru.insert(0, page)
            return False
        self.returned += 1
        self.goal -= 1
        self.tries = 0
        return True

    def evict(self, pages: int, refused: Collection[int] = ()) -> tuple[list[tuple[int, bool]], int, int]:
        """Every object that was to go, in order, and whether it went; the last result; pages that count."""
        self.start(pages)
        offered, count, walked = [], 0, 0
        while not isinstance(page := self.begin(), int):
            walked += self.walked
            while (key := self.next(page)) is not None:
                offered.append((key, key not in refused))
                if key not in refused:
                    self.free(key)
            count += self.done(page)
        self.walked += walked
        return offered, page, count

    def reclaimed(self, pages: int, refused: Collection[int]) -> str:
        """An `r` line of the answers."""
        offered, code, count = self.evict(pages, refused)
        shown = "".join(f" {key}" if agreed else f" !{key}" for key, agreed in offered)
        return f"r :{shown} = {code if pages else -EINVAL} {count}"

    def where(self, key: int) -> list[tuple[int, int]]:
        page = self.objects[key]
        first, last = page.places
        if first is not None and first[0] == key:
            return [(page.serial, self.chunk)]
        assert last is not None
        return [(page.serial, self.page_size - self.chunk * self.chunks(last[1]))]

    def tally(self) -> dict[str, int]:
        """Every number of the tally, counted afresh from the pages."""
        pages = [*self.lru, *self.claimed]
        sizes = [size for page in pages for _, size in page.held()]
        taken = sum(self.chunks(size) for size in sizes)
        return {
            "pages_taken": self.serial,
            "pages_returned": self.returned,
            "pool_pages": len(pages),
            "objects": len(sizes),
            "payload": sum(sizes),
            "meta_inside": HEADER * len(pages),
            "meta_outside": 0,
            "lost_inside": (self.chunk - HEADER) * len(pages) + self.chunk * taken - sum(sizes),
            "free_bytes": self.chunk * (CHUNKS * len(pages) - taken),
            "op_walked": self.walked,
            "op_copied": self.copied,
            "may_take": self.may_take,
        }

    def lists(self) -> dict[int, list[int]]:
        """List number as in the compiled one: serial of every page on it, head first; the LRU is -1."""
        every = {-1: self.lru, CHUNKS: self.pairs, **dict(enumerate(self.single))}
        return {i: [page.serial for page in found] for i, found in every.items() if found}

    def printed(self) -> list[str]:
        """The lines of an `s`, without the hash."""
        single = [f"u {k} {len(found)}" for k, found in enumerate(self.single) if found]
        return [f"s {len(self.lru) + len(self.claimed)}", f"l {len(self.lru)} {len(self.pairs)}", *single]

    def check(self) -> None:
        """Every page is on the list that its objects call for, and two objects never overlap."""
        assert not self.single[0]
        for k, found in enumerate(self.single):
            assert all([self.chunks(size) for _, size in page.held()] == [CHUNKS - k] for page in found)
        for page in self.pairs:
            assert len(page.held()) == 2 and sum(self.chunks(size) for _, size in page.held()) <= CHUNKS
        filed = [page for found in (*self.single, self.pairs) for page in found]
        assert len(filed) == len(self.lru) and set(filed) == set(self.lru)
        assert {key for page in (*self.lru, *self.claimed) for key, _ in page.held()} == set(self.objects)
