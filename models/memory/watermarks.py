"""Zones and watermarks by Linux 6.1's formulas (mm/page_alloc.c), as plain arithmetic on page counts.

Not modelled: huge-page adjustments of min_free_kbytes (transparent huge pages are off), highmem, CMA, NUMA.
"""

from __future__ import annotations

from math import isqrt
from typing import NamedTuple

DMA_BYTES = 16 << 20
DMA32_BYTES = 4 << 30
DMA_HOLE_BYTES = 1 << 20  # the first MiB: firmware, real-mode trampoline; 3840 of 4096 pages are managed on x86-64
RESERVE_RATIO = (256, 256, 32)  # vm.lowmem_reserve_ratio of DMA, DMA32, Normal


class Zone(NamedTuple):
    """One zone: managed pages, watermarks and reserve against requests that may use a higher zone, all in pages."""

    name: str
    managed: int
    min: int
    low: int
    high: int
    reserve: int


def zone_sizes(memory: int, kernel: int, page_size: int) -> list[int]:
    """Managed pages of DMA, DMA32 and Normal (0 where absent) for a VM of `memory` bytes of which the kernel keeps `kernel`.

    The kernel's own memory (text, page array, slab it never gives back) is taken from the highest zone that can bear it.
    """
    sizes = zone_spans(memory, page_size)
    dma = sizes[0]
    sizes[0] -= min(dma // 2, DMA_HOLE_BYTES // page_size)
    left = kernel // page_size
    for zone in (2, 1, 0):
        taken = min(left, max(0, sizes[zone] * 9 // 10))
        sizes[zone] -= taken
        left -= taken
    return sizes


def zone_spans(memory: int, page_size: int) -> list[int]:
    """Page frames of DMA, DMA32 and Normal for a VM of `memory` bytes, the kernel's own included."""
    pages = memory // page_size
    dma = min(pages, DMA_BYTES // page_size)
    dma32 = min(pages - dma, (DMA32_BYTES - DMA_BYTES) // page_size)
    return [dma, dma32, pages - dma - dma32]


def reserves(sizes: list[int], number: int) -> list[int]:
    """Pages that zone `number` keeps from requests that may use DMA, DMA32, Normal at most; sizes: managed pages of each zone."""
    if not sizes[number]:
        return [0] * len(sizes)
    return [sum(sizes[number + 1 : index + 1]) // RESERVE_RATIO[number] for index in range(len(sizes))]


def auto_min_free_kbytes(managed: int, page_size: int) -> int:
    """Linux's default for vm.min_free_kbytes, in KiB, for `managed` pages below highmem."""
    lowmem_kib = managed * (page_size >> 10)
    return min(max(isqrt(lowmem_kib * 16), 128), 262144)


def build_zones(sizes: list[int], min_free_kbytes: int, scale_factor: int, page_size: int) -> list[Zone]:
    """Watermarks and reserves of each zone; a zone without pages has zeros."""
    total = sum(sizes)
    pages_min = min_free_kbytes * 1024 // page_size
    zones = []
    for number, managed in enumerate(sizes):
        low = pages_min * managed // total if total else 0
        step = max(low // 4, managed * scale_factor // 10000)
        reserve = reserves(sizes, number)[-1]
        zones.append(Zone(("DMA", "DMA32", "Normal")[number], managed, low, low + step, low + 2 * step, reserve))
    return zones
