"""z3fold of Linux 6.1 in plain Python.  The readable specification of models/allocators/z3fold.py."""

from __future__ import annotations

from collections.abc import Collection

EAGAIN, ENOMEM, EINVAL, ENOSPC = 11, 12, 22, 28
HEADER, TABLE = 88, 64  # bytes inside and outside of a page
MIDDLE, FIRST, LAST = "middle", "first", "last"


class Stored:
    """One object: its bytes, its chunks, and whether it came from another page."""

    def __init__(self, key: int, size: int, chunks: int) -> None:
        self.key, self.size, self.chunks, self.foreign = key, size, chunks, False


class Page:
    """places: at most three objects.  `start` is the first chunk of the middle one."""

    def __init__(self, serial: int, headless: bool) -> None:
        self.serial, self.headless, self.start = serial, headless, 0
        self.places: dict[str, Stored] = {}
        self.claimed = False
        self.offers: list[str] = []  # places of a claimed page that are still to be offered
        self.last: Stored | None = None  # object that was offered last

    def chunks(self, place: str) -> int:
        return self.places[place].chunks if place in self.places else 0

    def guests(self) -> int:
        return sum(held.foreign for held in self.places.values())


class Z3fold:
    """may_take: pages that can still be had."""

    def __init__(self, page_size: int = 4096, may_take: int = 1 << 40, max_objects: int = 1 << 40) -> None:
        self.page_size, self.may_take, self.max_objects = page_size, may_take, max_objects
        self.chunk = page_size // 64
        self.header = -(-HEADER // self.chunk)  # chunks
        self.holes: list[list[Page]] = [[] for _ in range(64)]  # [largest hole]; first = head
        self.lru: list[Page] = []  # first = most recent
        self.claimed: list[Page] = []
        self.serial = self.returned = 0
        self.objects: dict[int, Page] = {}
        self.walked = self.copied = self.moved = 0
        self.goal = self.tries = 0

    def _hole(self, page: Page) -> int:
        first, last = page.chunks(FIRST), page.chunks(LAST)
        if MIDDLE not in page.places:
            return 64 - self.header - first - last
        left = 0 if first else page.start - self.header
        right = 0 if last else 64 - page.start - page.chunks(MIDDLE)
        return max(left, right)

    def _file(self, page: Page) -> None:
        if len(page.places) < 3 and not page.headless:
            self.holes[self._hole(page)].insert(0, page)

    def _unfile(self, page: Page) -> None:
        for found in self.holes:
            if page in found:
                found.remove(page)

    def _find(self, need: int) -> Page | None:
        for k in range(need, 64 - self.header):
            self.walked += 1
            if self.holes[k]:
                return self.holes[k].pop(0)
        self.walked += 1  # the list of exactly this size, on every CPU: here, of the only one once more
        return None

    def _fill(self, page: Page, held: Stored) -> None:
        """Put an object into a page that has room for it."""
        if MIDDLE in page.places:
            place = FIRST if FIRST not in page.places and held.chunks <= page.start - self.header else LAST
        else:
            place = next(place for place in (FIRST, LAST, MIDDLE) if place not in page.places)
        if place == MIDDLE:
            page.start = self.header + page.chunks(FIRST)
        assert place not in page.places
        page.places[place] = held
        self.objects[held.key] = page

    def alloc(self, key: int, size: int) -> int | list[tuple[int, int]]:
        """[(page, offset)], or -errno."""
        self.walked = self.copied = 0
        if size < 1:
            return -EINVAL
        if size > self.page_size:
            return -ENOSPC
        if len(self.objects) >= self.max_objects:
            return -ENOMEM
        chunks = -(-size // self.chunk)
        headless = chunks > 63 - self.header
        page = None if headless else self._find(chunks)
        if page is not None:
            self.lru.remove(page)
        elif self.may_take > 0:
            page = Page(self.serial, headless)
            self.serial += 1
            self.may_take -= 1
        else:
            return -ENOMEM
        self._fill(page, Stored(key, size, 64 if headless else chunks))
        self._file(page)
        self.lru.insert(0, page)
        self.copied = size
        return self.where(key)

    def free(self, key: int) -> int:
        self.walked = self.copied = 0
        if key not in self.objects:
            return -EINVAL
        page = self.objects.pop(key)
        page.places = {place: held for place, held in page.places.items() if held.key != key}
        if page.claimed:
            return 0
        self.walked = 0 if page.headless else 2  # the other places
        if page.places:
            self._compact(page)
        else:
            self._unfile(page)
            self.lru.remove(page)
            self.returned += 1
        return 0

    def _compact(self, page: Page) -> None:
        self._unfile(page)
        if self._move_out(page):
            self.lru.remove(page)
            self.returned += 1
        else:
            self._move_middle(page)
            self._file(page)

    def _move_out(self, page: Page) -> bool:
        """Move a lone object into another page."""
        if len(page.places) != 1 or page.guests():
            return False
        held = next(iter(page.places.values()))
        target = self._find(held.chunks)
        if target is None:
            return False
        page.places = {}
        held.foreign = True
        self._fill(target, held)
        self._file(target)
        self._count_move(held)
        return True

    def _move_middle(self, page: Page) -> None:
        """Close a gap beside the middle object."""
        if MIDDLE not in page.places:
            return
        middle, first, last = page.places[MIDDLE], page.chunks(FIRST), page.chunks(LAST)
        if not first and not last:
            page.places = {FIRST: middle}
        elif first and not last and page.start - (self.header + first) >= 3:
            page.start = self.header + first
        elif last and not first and 64 - last - middle.chunks - page.start >= 3:
            page.start = 64 - last - middle.chunks
        else:
            return
        self._count_move(middle)

    def _count_move(self, held: Stored) -> None:
        self.moved += 1
        self.copied += held.chunks * self.chunk

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
        for page in reversed(self.lru):
            self.walked += 1
            if not page.guests():
                break
        else:
            return -EAGAIN
        self.tries += 1
        self.lru.remove(page)
        self._unfile(page)
        self.claimed.append(page)
        page.claimed, page.offers, page.last = True, [MIDDLE, FIRST, LAST], None
        return page

    def next(self, page: Page) -> int | None:
        """The next object to lose."""
        if page.last in page.places.values():
            return None
        while page.offers:
            page.last = page.places.get(page.offers.pop(0))
            if page.last is not None:
                return page.last.key
        return None

    def done(self, page: Page) -> bool:
        """Whether the page counts."""
        self.walked = self.copied = 0
        self.claimed.remove(page)
        page.claimed = False
        if page.places:
            self._file(page)
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
        place = next(place for place, held in page.places.items() if held.key == key)
        start = {FIRST: self.header, MIDDLE: page.start, LAST: 64 - page.chunks(LAST)}[place]
        return [(page.serial, 0 if page.headless else start * self.chunk)]

    def tally(self) -> dict[str, int]:
        """Every number of the tally, counted afresh from the pages."""
        pages = [*self.lru, *self.claimed]
        headed = sum(not page.headless for page in pages)
        objects = [held for page in pages for held in page.places.values()]
        taken = sum(held.chunks for held in objects)
        payload = sum(held.size for held in objects)
        return {
            "pages_taken": self.serial,
            "pages_returned": self.returned,
            "pool_pages": len(pages),
            "objects": len(objects),
            "payload": payload,
            "meta_inside": HEADER * headed,
            "meta_outside": TABLE * (headed + sum(held.foreign for held in objects)),
            "lost_inside": (self.header * self.chunk - HEADER) * headed + self.chunk * taken - payload,
            "free_bytes": self.chunk * (64 * len(pages) - self.header * headed - taken),
            "op_walked": self.walked,
            "op_copied": self.copied,
            "may_take": self.may_take,
            "moved": self.moved,
        }

    def lists(self) -> dict[int, list[int]]:
        """List number as in the compiled one: serial of every page on it, head first; the LRU is -1."""
        every = {-1: self.lru, **dict(enumerate(self.holes))}
        return {i: [page.serial for page in found] for i, found in every.items() if found}

    def printed(self) -> list[str]:
        """The lines of an `s`, without the hash."""
        holes = [f"u {k} {len(found)}" for k, found in enumerate(self.holes) if found]
        return [f"s {len(self.lru) + len(self.claimed)}", f"l {len(self.lru)}", *holes]

    def check(self) -> None:
        """Every page with a vacant place is on one list, and objects never overlap."""
        filed = [page for found in self.holes for page in found]
        assert len(filed) == len(set(filed))
        assert set(filed) == {page for page in self.lru if len(page.places) < 3 and not page.headless}
        for page in (*self.lru, *self.claimed):
            assert page.places or page.claimed
            if not page.headless:
                used = [False] * 64
                start = {FIRST: self.header, MIDDLE: page.start, LAST: 64 - page.chunks(LAST)}
                for place, held in page.places.items():
                    for k in range(start[place], start[place] + held.chunks):
                        assert k >= self.header and not used[k]
                        used[k] = True
        assert {held.key for page in (*self.lru, *self.claimed) for held in page.places.values()} == set(self.objects)
