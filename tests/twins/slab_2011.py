"""The slab design of 2011 in plain Python.  The readable specification of models/allocators/slab_2011.py."""

from __future__ import annotations

from collections.abc import Collection

ENOMEM, EINVAL = 12, 22


class Superblock:
    """slots: what is in each, None if it is free.  free: the free slots in the order in which they are used."""

    def __init__(self, serial: int, kind: int, slots: int) -> None:
        self.serial, self.kind = serial, kind
        self.slots: list[int | None] = [None] * slots
        self.free = list(range(slots))

    def used(self) -> int:
        return len(self.slots) - len(self.free)


class Slab2011:
    """pages of a superblock; spacing of the classes in bytes; threshold in per cent; may_take: pages that can still be had."""

    def __init__(
        self,
        page_size: int = 4096,
        pages: int = 4,
        spacing: int = 32,
        threshold: int = 25,
        may_take: int = 1 << 40,
        max_objects: int = 1 << 40,
    ) -> None:
        self.page_size, self.pages, self.spacing, self.threshold = page_size, pages, spacing, threshold
        self.may_take, self.max_objects = may_take, max_objects
        self.supers: list[list[Superblock]] = [[] for _ in range(page_size // spacing)]  # [class]: all, in the order of their lists
        self.objects: dict[int, tuple[Superblock, int]] = {}  # key: superblock, size
        self.serial = self.returned = self.walked = self.copied = self.moved = self.refusals = 0

    def slot_size(self, kind: int) -> int:
        return (kind + 1) * self.spacing

    def slots_of(self, kind: int) -> int:
        return self.pages * self.page_size // self.slot_size(kind)

    def with_room(self, kind: int) -> list[Superblock]:
        """The class's list: the fullest first, and of those as full as each other the one that became so last."""
        return [found for found in self.supers[kind] if found.free]

    def _place(self, found: Superblock) -> None:
        """The number of its objects has changed: it goes before the others that have as many."""
        row = self.supers[found.kind]
        row.remove(found)
        at = next((i for i, other in enumerate(row) if other.used() <= found.used()), len(row))
        row.insert(at, found)

    def _enter(self, found: Superblock, key: int, size: int) -> None:
        found.slots[found.free.pop(0)] = key
        self.objects[key] = found, size
        self._place(found)

    def _leave(self, key: int) -> bool:
        """Whether the superblock has gone."""
        found, _ = self.objects[key]
        slot = found.slots.index(key)
        found.slots[slot] = None
        found.free.insert(0, slot)
        if found.used():
            self._place(found)
            return False
        self.supers[found.kind].remove(found)
        self.returned += self.pages
        return True

    def alloc(self, key: int, size: int) -> int | list[tuple[int, int]]:
        """[(page, offset)], or -errno."""
        self.walked = self.copied = 0
        if size < 1 or size > self.page_size:
            return -EINVAL
        if len(self.objects) >= self.max_objects:
            return -ENOMEM
        kind = -(-size // self.spacing) - 1
        self.walked = 1
        if not self.with_room(kind):
            if self.may_take < self.pages:
                return -ENOMEM
            self.may_take -= self.pages
            self.supers[kind].append(Superblock(self.serial, kind, self.slots_of(kind)))
            self.serial += self.pages
        self._enter(self.with_room(kind)[0], key, size)
        self.copied = size
        return self.where(key)

    def free(self, key: int) -> int:
        self.walked = self.copied = 0
        self._leave(key)
        del self.objects[key]
        return 0

    def compact(self, budget: int, refused: Collection[int] = ()) -> int:
        """Pages freed."""
        self.walked = self.copied = freed = 0
        for kind, row in enumerate(self.supers):
            slots = self.slots_of(kind)
            given_up: list[Superblock] = []
            while freed < budget:
                unused = sum(len(found.free) for found in row)
                if unused < slots or unused * 100 < self.threshold * slots * len(row):
                    break
                self.walked += 1
                left = [found for found in self.with_room(kind) if found not in given_up]
                if not left:
                    break
                if not self._empty(left[-1], refused):
                    given_up.append(left[-1])
                else:
                    freed += self.pages
        return freed

    def _empty(self, source: Superblock, refused: Collection[int]) -> bool:
        """Whether the superblock is empty now, and gone."""
        for key in [key for key in source.slots if key is not None]:
            self.walked += 1
            if key in refused:
                self.refusals += 1
                return False
            target = next(found for found in self.with_room(source.kind) if found is not source)
            size = self.objects[key][1]
            gone = self._leave(key)
            self._enter(target, key, size)
            self.moved += 1
            self.copied += size
        return gone

    def where(self, key: int) -> list[tuple[int, int]]:
        found, size = self.objects[key]
        page, offset = divmod(found.slots.index(key) * self.slot_size(found.kind), self.page_size)
        places = [(found.serial + page, offset)]
        return [*places, (found.serial + page + 1, 0)] if offset + size > self.page_size else places

    def tally(self) -> dict[str, int]:
        """Every number of the tally, counted afresh from the superblocks."""
        every = [found for row in self.supers for found in row]
        pages = self.pages * len(every)
        payload = sum(size for _, size in self.objects.values())
        unused = sum(len(found.free) * self.slot_size(found.kind) for found in every)
        return {
            "pages_taken": self.serial,
            "pages_returned": self.returned,
            "pool_pages": pages,
            "objects": len(self.objects),
            "payload": payload,
            "meta_inside": 0,
            "meta_outside": 0,
            "lost_inside": pages * self.page_size - unused - payload,
            "free_bytes": unused,
            "op_walked": self.walked,
            "op_copied": self.copied,
            "may_take": self.may_take,
            "moved": self.moved,
        }

    def counters(self) -> dict[str, int]:
        return {"superblocks": sum(len(row) for row in self.supers), "moved": self.moved, "refused": self.refusals}

    def lists(self) -> dict[int, list[int]]:
        """Class: serial of the first page of every superblock with room, the fullest first."""
        rows = {kind: [found.serial for found in self.with_room(kind)] for kind in range(len(self.supers))}
        return {kind: row for kind, row in rows.items() if row}

    def check(self) -> None:
        """The fullest come first, none is empty, the slots fit, and every object is in one of them."""
        for kind in range(len(self.supers)):
            used = [found.used() for found in self.with_room(kind)]
            assert used == sorted(used, reverse=True) and 0 not in used
            assert self.slots_of(kind) * self.slot_size(kind) <= self.pages * self.page_size
        inside = [key for row in self.supers for found in row for key in found.slots if key is not None]
        assert sorted(inside) == sorted(self.objects)
