"""Watermarks and zones: worked examples of Linux's formulas, read off a live machine."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from models.memory.watermarks import auto_min_free_kbytes, build_zones, zone_sizes


def marks(sizes: list[int], min_free: int) -> list[tuple[int, int, int]]:
    return [(zone.min, zone.low, zone.high) for zone in build_zones(sizes, min_free, 10, 4096)]


def test_three_zones_of_a_live_machine() -> None:
    assert marks([3840, 772915, 1179648], 67584) == [(33, 41, 49), (6675, 8343, 10011), (10187, 12733, 15279)]


def test_a_small_guest_with_two_zones() -> None:
    """160 MiB, min_free_kbytes 4096: what /proc/zoneinfo of a Linux 6.1 guest says."""
    assert marks([3840, 24263, 0], 4096)[:2] == [(139, 173, 207), (884, 1105, 1326)]


def test_lowmem_reserve_is_what_lies_above() -> None:
    zones = build_zones([3840, 24263, 0], 4096, 10, 4096)
    assert [zone.reserve for zone in zones] == [94, 0, 0]


def test_scale_factor_widens_the_steps() -> None:
    zone = build_zones([0, 100_000, 0], 1024, 200, 4096)[1]
    assert (zone.min, zone.low, zone.high) == (256, 256 + 2000, 256 + 4000)


def test_min_free_kbytes_is_clamped() -> None:
    assert auto_min_free_kbytes(100, 4096) == 128
    assert auto_min_free_kbytes(28103, 4096) == 1341  # isqrt(16 * 112412)
    assert auto_min_free_kbytes(1 << 30, 4096) == 262144


@given(some.integers(1 << 20, 1 << 44), some.sampled_from([4096, 16384, 65536]), some.floats(0, 0.25))
def test_zones_hold_what_the_kernel_leaves(memory: int, page_size: int, share: float) -> None:
    kernel = int(memory * share)
    sizes = zone_sizes(memory, kernel, page_size)
    assert all(size >= 0 for size in sizes)
    total = memory // page_size
    assert total - kernel // page_size - (1 << 20) // page_size <= sum(sizes) <= total
    zones = build_zones(sizes, auto_min_free_kbytes(sum(sizes), page_size), 10, page_size)
    assert all(zone.min <= zone.low <= zone.high for zone in zones)
