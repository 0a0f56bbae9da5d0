"""zsmalloc in plain Python, all versions.  The readable specification of models/allocators/zsmalloc.py and the files that it names."""

from __future__ import annotations

from typing import NamedTuple

ENOMEM, EINVAL, ENOSPC = 12, 22, 28
SMALLEST = 32


def pages_and_objects(version: str, page_size: int, size: int, most: int) -> tuple[int, int]:
    """Of a zspage of slots of this size."""
    best, best_score = 0, 0
    for pages in range(1, most + 1):
        whole = page_size * pages
        waste = whole % size
        score = -waste if version == "v6.12" else (whole - waste) * 100 // whole
        if best == 0 or score > best_score:
            best, best_score = pages, score
    return best, best * page_size // size


class Class:
    """groups: the zspages by group, 0 empty (there are none) ... full last; first = head.  allocated, used: slots, of all zspages."""

    def __init__(self, index: int, size: int, pages: int, objects: int, groups: int) -> None:
        self.index, self.size, self.pages, self.objects = index, size, pages, objects
        self.groups: list[list[Zspage]] = [[] for _ in range(groups)]
        self.allocated = self.used = 0

    def zspages(self) -> list[Zspage]:
        return [z for group in self.groups for z in group]

    def can_free(self) -> int:
        return (self.allocated - self.used) // self.objects * self.pages


class Zspage:
    """chain: the free slots, the next to be handed out first; slots: slot: object."""

    def __init__(self, home: Class, serial: int) -> None:
        self.home, self.serial = home, serial
        self.chain = list(range(home.objects))
        self.slots: dict[int, int] = {}

    def inuse(self) -> int:
        return len(self.slots)

    def full(self) -> bool:
        return not self.chain

    def put(self, key: int) -> None:
        self.slots[self.chain.pop(0)] = key

    def remove(self, slot: int) -> int:
        self.chain.insert(0, slot)
        return self.slots.pop(slot)

    def slot_of(self, key: int) -> int:
        return next(slot for slot, found in self.slots.items() if found == key)


class Rule(NamedTuple):
    handle: int  # bytes in front of an object, and outside its page
    descriptor: int  # bytes of a zspage, outside it
    partial: int  # groups between empty and full
    tries: int  # heads looked at by a store that finds nothing
    too_large: int


RULES = {
    "v3.6": Rule(0, 0, 2, 2, EINVAL),
    "v6.1": Rule(8, 56, 2, 3, EINVAL),
    "v6.12": Rule(8, 56, 10, 11, ENOSPC),
}


class Zsmalloc:
    """version v3.6, v6.1 or v6.12 (6.4 and later); chain: most pages of a zspage in v6.12; may_take: pages that can still be had."""

    def __init__(
        self, version: str = "v6.12", chain: int = 8, page_size: int = 4096, may_take: int = 1 << 40, max_objects: int = 1 << 40
    ) -> None:
        self.version, self.rule, self.page_size = version, RULES[version], page_size
        self.may_take, self.max_objects = may_take, max_objects
        self.step = 16 if version == "v3.6" else page_size // 256
        self.class_of: dict[int, Class] = {}  # slot size
        last = None
        sizes = [*range(SMALLEST, page_size, self.step), page_size]
        for index in range(len(sizes) - 1, -1, -1):
            pages, objects = pages_and_objects(version, page_size, sizes[index], chain if version == "v6.12" else 4)
            if last is None or version == "v3.6" or (last.pages, last.objects) != (pages, objects):
                last = Class(index, sizes[index], pages, objects, self.rule.partial + 2)
            self.class_of[sizes[index]] = last
        self.classes = sorted(set(self.class_of.values()), key=lambda made: made.index)
        self.serial = self.returned = 0
        self.objects: dict[int, tuple[Zspage, int]] = {}  # where, size
        self.walked = self.copied = self.moved = self.compacted = 0

    # --- lists ---

    def _group(self, z: Zspage) -> int:
        inuse, objects = z.inuse(), z.home.objects
        if inuse == 0:
            return 0
        if inuse == objects:
            return self.rule.partial + 1
        if self.version == "v6.12":
            return 100 * inuse // objects // 10 + 1
        return 1 if inuse <= {"v3.6": 1, "v6.1": 3}[self.version] * objects // 4 else 2

    def _insert(self, z: Zspage) -> None:
        found = z.home.groups[self._group(z)]
        behind = False
        if self.version == "v6.1" and found:
            self.walked += 1
            behind = z.inuse() < found[0].inuse()
        found.insert(1 if behind else 0, z)

    def _refile(self, z: Zspage) -> None:
        if z not in z.home.groups[self._group(z)]:
            for group in z.home.groups:
                if z in group:
                    group.remove(z)
            self._insert(z)

    def _pop(self, home: Class, fullest: bool) -> Zspage | None:
        """Take the head of the fullest or the emptiest group off its list."""
        order = range(1, self.rule.partial + 1)
        for g in reversed(order) if fullest else order:
            self.walked += 1
            if home.groups[g]:
                return home.groups[g].pop(0)
        return None

    # --- store and free ---

    def alloc(self, key: int, size: int) -> int | list[tuple[int, int]]:
        """[(page, offset)], or -errno."""
        self.walked = self.copied = 0
        if size < 1:
            return -EINVAL
        if size > self.page_size:
            return -self.rule.too_large
        if len(self.objects) >= self.max_objects:
            return -ENOMEM
        need = min(size + self.rule.handle, self.page_size)
        home = next(self.class_of[nominal] for nominal in sorted(self.class_of) if nominal >= need)
        for tries, g in enumerate(range(self.rule.partial, 0, -1), 1):
            if home.groups[g]:
                self.walked = tries
                z = home.groups[g][0]
                z.put(key)
                self._refile(z)
                break
        else:
            self.walked = self.rule.tries
            if self.may_take < home.pages:
                return -ENOMEM
            self.may_take -= home.pages
            z = Zspage(home, self.serial)
            self.serial += home.pages
            home.allocated += home.objects
            z.put(key)
            self._insert(z)
        self.objects[key] = (z, size)
        home.used += 1
        self.copied = size
        return self.where(key)

    def free(self, key: int) -> int:
        self.walked = self.copied = 0
        if key not in self.objects:
            return -EINVAL
        z, _ = self.objects.pop(key)
        before = self._group(z)
        z.remove(z.slot_of(key))
        z.home.used -= 1
        if z.inuse() == 0:
            z.home.groups[before].remove(z)
            self._give_back(z)
        else:
            self._refile(z)
        return 0

    def _give_back(self, z: Zspage) -> None:
        self.returned += z.home.pages
        z.home.allocated -= z.home.objects

    # --- compaction ---

    def _move(self, source: Zspage, slot: int, target: Zspage) -> None:
        key = source.remove(slot)
        target.put(key)
        self.objects[key] = (target, self.objects[key][1])
        self.copied += source.home.size
        self.moved += 1

    def _put_back(self, source: Zspage) -> int:
        if source.inuse():
            self._insert(source)
            return 0
        self._give_back(source)
        return source.home.pages

    def _compact_6_1(self, home: Class) -> int:
        freed = 0
        while True:
            source = self._pop(home, fullest=False)
            if source is None:
                return freed
            if home.can_free() == 0:
                self._insert(source)
                return freed
            slot = 0
            while slot < home.objects:
                target = self._pop(home, fullest=True)
                if target is None:
                    self._insert(source)
                    return freed
                while slot < home.objects:
                    self.walked += 1
                    if slot in source.slots:
                        if target.full():
                            break
                        self._move(source, slot, target)
                    slot += 1
                self._insert(target)
            freed += self._put_back(source)

    def _compact_6_4(self, home: Class) -> int:
        freed = 0
        target = None
        while home.can_free() > 0:
            if target is None:
                target = self._pop(home, fullest=True)
            if target is None:
                break
            source = self._pop(home, fullest=False)
            if source is None:
                break
            for slot in range(home.objects):
                self.walked += 1
                if slot in source.slots:
                    self._move(source, slot, target)
                    if target.full() or source.inuse() == 0:
                        break
            freed += self._put_back(source)
            if target.full():
                self._insert(target)
                target = None
        if target is not None:
            self._insert(target)
        return freed

    def estimate(self) -> int:
        return sum(home.can_free() for home in self.classes)

    def compact(self) -> int:
        """Pages freed."""
        if self.version == "v3.6":
            return 0
        self.walked = self.copied = 0
        freed = 0
        for home in reversed(self.classes):
            freed += self._compact_6_1(home) if self.version == "v6.1" else self._compact_6_4(home)
        self.compacted += freed
        return freed

    # --- what can be seen ---

    def where(self, key: int) -> list[tuple[int, int]]:
        z, _ = self.objects[key]
        start = z.slot_of(key) * z.home.size
        return [(z.serial + start // self.page_size, start % self.page_size)]

    def _header(self, home: Class) -> int:
        return 0 if (home.pages, home.objects) == (1, 1) else self.rule.handle

    def tally(self) -> dict[str, int]:
        """Every number of the tally, counted afresh from the zspages."""
        pages = payload = inside = lost = free = zspages = 0
        for home in (home for home in self.classes if home.allocated):
            for z in home.zspages():
                zspages += 1
                pages += home.pages
                lost += home.pages * self.page_size - home.objects * home.size
                free += len(z.chain) * home.size
                for key in z.slots.values():
                    size = self.objects[key][1]
                    payload += size
                    inside += self._header(home)
                    lost += home.size - self._header(home) - size
        assert pages * self.page_size == payload + inside + lost + free
        return {
            "pages_taken": self.serial,
            "pages_returned": self.returned,
            "pool_pages": pages,
            "objects": len(self.objects),
            "payload": payload,
            "meta_inside": inside,
            "meta_outside": self.rule.handle * len(self.objects) + self.rule.descriptor * zspages,
            "lost_inside": lost,
            "free_bytes": free,
            "op_walked": self.walked,
            "op_copied": self.copied,
            "may_take": self.may_take,
        }

    def class_rows(self) -> list[dict[str, object]]:
        return [
            {
                "class": home.index,
                "size": home.size,
                "groups": [len(group) for group in home.groups[1:]],
                "obj_allocated": home.allocated,
                "obj_used": home.used,
                "pages_used": home.pages * len(home.zspages()),
                "pages_per_zspage": home.pages,
                "freeable": home.can_free(),
            }
            for home in self.classes
        ]

    def answers(self, word: str) -> list[str]:
        """The lines for a `c`, `r` or `s`, without the digest."""
        pages = self.tally()["pool_pages"]
        if self.version == "v3.6":
            return [f"s {pages} live={pages}"] if word == "s" else []
        if word == "c":
            estimate = self.estimate()
            return [f"c {self.compact()} {estimate}"]
        if word == "r":
            return ["r -1 0"]
        lines = [f"s {pages}"]
        for row in self.class_rows():
            if row["obj_allocated"]:
                start = [row[name] for name in ("class", "size", "obj_allocated", "obj_used", "pages_used")]
                lines.append(" ".join(map(str, ["k", *start, *row["groups"], row["freeable"]])))
        return lines

    def lists(self) -> dict[tuple[int, int], list[int]]:
        """(class, group): first page of every zspage on the list, head first; full ones are on none."""
        every = {(home.index, g): group for home in self.classes for g, group in enumerate(home.groups[:-1])}
        return {at: [z.serial for z in group] for at, group in every.items() if group}

    def check(self) -> None:
        """Every zspage is in its group, its slots are used or free, and every object is where it is said to be."""
        for home in self.classes:
            assert not home.groups[0]
            assert home.allocated == home.objects * len(home.zspages())
            assert home.used == sum(z.inuse() for z in home.zspages())
            for g, group in enumerate(home.groups):
                for z in group:
                    assert self._group(z) == g and sorted([*z.chain, *z.slots]) == list(range(home.objects))
                    assert all(self.objects[key][0] is z for key in z.slots.values())
        assert sum(len(z.slots) for home in self.classes for z in home.zspages()) == len(self.objects)
