"""zcache's persistent put, get and flush with their counters: the plain specification of models.backends.zcache."""

from __future__ import annotations


class Zcache:
    """`room` is what the caller says of the moment: free pages above the min mark, and whether the allocator finds room."""

    def __init__(self, max_zsize: int, max_mean: int, percent: int, total_pages: int, header: int) -> None:
        self.max_zsize, self.max_mean, self.header = max_zsize, max_mean, header
        self.limit = percent * total_pages // 100
        self.held: dict[int, int] = {}  # slot: bytes with the header
        names = (
            "failed_pers_puts",
            "compress_poor",
            "mean_compress_poor",
            "failed_get_free_pages",
            "put_to_flush",
            "flush_total",
            "flush_found",
        )
        names += ("frontswap_succ_stores", "frontswap_failed_stores", "frontswap_loads", "frontswap_invalidates")
        self.count = dict.fromkeys(names, 0)

    def put(self, slot: int, clen: int, free_pages: int, pool_pages: int, fits: bool) -> bool:
        """pool_pages: pages the pool has after the old copy is gone; fits: the allocator finds room."""
        c = self.count
        if free_pages < 1:
            c["failed_get_free_pages"] += 1
            c["put_to_flush"] += 1
            c["flush_total"] += 1
            c["flush_found"] += self.held.pop(slot, None) is not None
            c["frontswap_failed_stores"] += 1
            return False
        self.held.pop(slot, None)
        if self._accept(clen, pool_pages) and fits:
            self.held[slot] = self.header + clen
            c["frontswap_succ_stores"] += 1
            return True
        c["failed_pers_puts"] += 1
        c["frontswap_failed_stores"] += 1
        return False

    def _accept(self, clen: int, pool_pages: int) -> bool:
        if len(self.held) > self.limit:
            return False
        if clen > self.max_zsize:
            self.count["compress_poor"] += 1
            return False
        if clen > self.max_mean and self.held and pool_pages * 4096 // len(self.held) > self.max_mean:
            self.count["mean_compress_poor"] += 1
            return False
        return True

    def get(self, slot: int) -> int:
        if slot not in self.held:
            return -1
        self.count["frontswap_loads"] += 1
        return self.held[slot]

    def flush(self, slot: int) -> None:
        c = self.count
        c["frontswap_invalidates"] += 1
        c["flush_total"] += 1
        c["flush_found"] += self.held.pop(slot, None) is not None
