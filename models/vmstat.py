"""Counters of /proc/vmstat: names and order of Linux 6.1 and 6.12.

A state keeps one int64 array of `COUNT` counters, those of all kernels; a constant such as `PGFAULT` is the index of `pgfault`.
`names_of(kernel)` are the names that this kernel prints, in its order.  Counters of parts that are not modelled stay 0.
Source: the list of names of Linux 6.1 with all configuration options on but device memory, and what the measured 6.12 guests print.
"""

from __future__ import annotations

NAMES_61 = (
    "nr_free_pages",
    "nr_zone_inactive_anon",
    "nr_zone_active_anon",
    "nr_zone_inactive_file",
    "nr_zone_active_file",
    "nr_zone_unevictable",
    "nr_zone_write_pending",
    "nr_mlock",
    "nr_bounce",
    "nr_zspages",
    "nr_free_cma",
    "numa_hit",
    "numa_miss",
    "numa_foreign",
    "numa_interleave",
    "numa_local",
    "numa_other",
    "nr_inactive_anon",
    "nr_active_anon",
    "nr_inactive_file",
    "nr_active_file",
    "nr_unevictable",
    "nr_slab_reclaimable",
    "nr_slab_unreclaimable",
    "nr_isolated_anon",
    "nr_isolated_file",
    "workingset_nodes",
    "workingset_refault_anon",
    "workingset_refault_file",
    "workingset_activate_anon",
    "workingset_activate_file",
    "workingset_restore_anon",
    "workingset_restore_file",
    "workingset_nodereclaim",
    "nr_anon_pages",
    "nr_mapped",
    "nr_file_pages",
    "nr_dirty",
    "nr_writeback",
    "nr_writeback_temp",
    "nr_shmem",
    "nr_shmem_hugepages",
    "nr_shmem_pmdmapped",
    "nr_file_hugepages",
    "nr_file_pmdmapped",
    "nr_anon_transparent_hugepages",
    "nr_vmscan_write",
    "nr_vmscan_immediate_reclaim",
    "nr_dirtied",
    "nr_written",
    "nr_throttled_written",
    "nr_kernel_misc_reclaimable",
    "nr_foll_pin_acquired",
    "nr_foll_pin_released",
    "nr_kernel_stack",
    "nr_shadow_call_stack",
    "nr_page_table_pages",
    "nr_sec_page_table_pages",
    "nr_swapcached",
    "pgpromote_success",
    "pgpromote_candidate",
    "nr_dirty_threshold",
    "nr_dirty_background_threshold",
    "pgpgin",
    "pgpgout",
    "pswpin",
    "pswpout",
    "pgalloc_dma",
    "pgalloc_dma32",
    "pgalloc_normal",
    "pgalloc_movable",
    "allocstall_dma",
    "allocstall_dma32",
    "allocstall_normal",
    "allocstall_movable",
    "pgskip_dma",
    "pgskip_dma32",
    "pgskip_normal",
    "pgskip_movable",
    "pgfree",
    "pgactivate",
    "pgdeactivate",
    "pglazyfree",
    "pgfault",
    "pgmajfault",
    "pglazyfreed",
    "pgrefill",
    "pgreuse",
    "pgsteal_kswapd",
    "pgsteal_direct",
    "pgdemote_kswapd",
    "pgdemote_direct",
    "pgscan_kswapd",
    "pgscan_direct",
    "pgscan_direct_throttle",
    "pgscan_anon",
    "pgscan_file",
    "pgsteal_anon",
    "pgsteal_file",
    "zone_reclaim_failed",
    "pginodesteal",
    "slabs_scanned",
    "kswapd_inodesteal",
    "kswapd_low_wmark_hit_quickly",
    "kswapd_high_wmark_hit_quickly",
    "pageoutrun",
    "pgrotated",
    "drop_pagecache",
    "drop_slab",
    "oom_kill",
    "numa_pte_updates",
    "numa_huge_pte_updates",
    "numa_hint_faults",
    "numa_hint_faults_local",
    "numa_pages_migrated",
    "pgmigrate_success",
    "pgmigrate_fail",
    "thp_migration_success",
    "thp_migration_fail",
    "thp_migration_split",
    "compact_migrate_scanned",
    "compact_free_scanned",
    "compact_isolated",
    "compact_stall",
    "compact_fail",
    "compact_success",
    "compact_daemon_wake",
    "compact_daemon_migrate_scanned",
    "compact_daemon_free_scanned",
    "htlb_buddy_alloc_success",
    "htlb_buddy_alloc_fail",
    "cma_alloc_success",
    "cma_alloc_fail",
    "unevictable_pgs_culled",
    "unevictable_pgs_scanned",
    "unevictable_pgs_rescued",
    "unevictable_pgs_mlocked",
    "unevictable_pgs_munlocked",
    "unevictable_pgs_cleared",
    "unevictable_pgs_stranded",
    "thp_fault_alloc",
    "thp_fault_fallback",
    "thp_fault_fallback_charge",
    "thp_collapse_alloc",
    "thp_collapse_alloc_failed",
    "thp_file_alloc",
    "thp_file_fallback",
    "thp_file_fallback_charge",
    "thp_file_mapped",
    "thp_split_page",
    "thp_split_page_failed",
    "thp_deferred_split_page",
    "thp_split_pmd",
    "thp_scan_exceed_none_pte",
    "thp_scan_exceed_swap_pte",
    "thp_scan_exceed_share_pte",
    "thp_split_pud",
    "thp_zero_page_alloc",
    "thp_zero_page_alloc_failed",
    "thp_swpout",
    "thp_swpout_fallback",
    "balloon_inflate",
    "balloon_deflate",
    "balloon_migrate",
    "nr_tlb_remote_flush",
    "nr_tlb_remote_flush_received",
    "nr_tlb_local_flush_all",
    "nr_tlb_local_flush_one",
    "swap_ra",
    "swap_ra_hit",
    "ksm_swpin_copy",
    "cow_ksm",
    "zswpin",
    "zswpout",
    "direct_map_level2_splits",
    "direct_map_level3_splits",
)

# What 6.12 prints besides, each group behind the name that stands before it; pgdemote_* moved.  Source: the measured 6.12 guests.
_BEHIND_612 = {
    "nr_free_cma": ("nr_unaccepted",),
    "nr_sec_page_table_pages": ("nr_iommu_pages",),
    "pgpromote_candidate": ("pgdemote_kswapd", "pgdemote_direct", "pgdemote_khugepaged"),
    "nr_dirty_background_threshold": ("nr_memmap_pages", "nr_memmap_boot_pages"),
    "pgalloc_movable": ("pgalloc_device",),
    "allocstall_movable": ("allocstall_device",),
    "pgskip_movable": ("pgskip_device",),
    "pgsteal_direct": ("pgsteal_khugepaged",),
    "pgscan_direct": ("pgscan_khugepaged",),
    "pgsteal_file": ("zone_reclaim_success",),
    "thp_deferred_split_page": ("thp_underused_split_page",),
    "swap_ra_hit": ("swpin_zero", "swpout_zero"),
    "zswpout": ("zswpwb",),
    "direct_map_level3_splits": ("nr_unstable",),
}


def _names_612() -> tuple[str, ...]:
    moved = set(_BEHIND_612["pgpromote_candidate"])
    return tuple(found for name in NAMES_61 if name not in moved for found in (name, *_BEHIND_612.get(name, ())))


NAMES_612 = _names_612()
NAMES = (*NAMES_61, *(name for name in NAMES_612 if name not in NAMES_61))

# Names, with * for any letters, that belong to no part of the model and stay 0.  docs/results.md has the same list.
# fmt: off
NOT_MODELLED = (
    "nr_bounce", "nr_free_cma", "nr_unaccepted", "nr_shmem*", "nr_file_hugepages",
    "nr_file_pmdmapped", "nr_anon_transparent_hugepages", "nr_writeback_temp", "nr_kernel_misc_reclaimable",
    "nr_foll_pin_*", "nr_kernel_stack", "nr_shadow_call_stack", "nr_sec_page_table_pages", "nr_iommu_pages",
    "nr_memmap_*", "numa_*", "pgpromote_*", "pgdemote_*", "pgalloc_device", "allocstall_device", "pgskip_device",
    "pglazyfree*", "*_khugepaged", "zone_reclaim_*", "drop_*", "pgmigrate_*", "thp_*", "compact_*", "htlb_*", "cma_*",
    "unevictable_pgs_*", "balloon_*", "nr_tlb_*", "ksm_swpin_copy", "cow_ksm", "direct_map_*", "nr_unstable",
)
# fmt: on

COUNT = len(NAMES)
INDEX = {name: number for number, name in enumerate(NAMES)}


def names_of(kernel: str) -> tuple[str, ...]:
    """The names that /proc/vmstat of kernel "6.1" or "6.12" has, in its order."""
    return NAMES_612 if kernel == "6.12" else NAMES_61


NR_FREE_PAGES = INDEX["nr_free_pages"]
NR_INACTIVE_ANON = INDEX["nr_inactive_anon"]
NR_ACTIVE_ANON = INDEX["nr_active_anon"]
NR_INACTIVE_FILE = INDEX["nr_inactive_file"]
NR_ACTIVE_FILE = INDEX["nr_active_file"]
NR_ANON_PAGES = INDEX["nr_anon_pages"]
NR_WRITEBACK = INDEX["nr_writeback"]
NR_WRITTEN = INDEX["nr_written"]
NR_VMSCAN_WRITE = INDEX["nr_vmscan_write"]
NR_PAGE_TABLE_PAGES = INDEX["nr_page_table_pages"]
NR_SWAPCACHED = INDEX["nr_swapcached"]
WORKINGSET_REFAULT_ANON = INDEX["workingset_refault_anon"]
WORKINGSET_ACTIVATE_ANON = INDEX["workingset_activate_anon"]
WORKINGSET_RESTORE_ANON = INDEX["workingset_restore_anon"]
WORKINGSET_REFAULT_FILE = INDEX["workingset_refault_file"]
WORKINGSET_ACTIVATE_FILE = INDEX["workingset_activate_file"]
WORKINGSET_RESTORE_FILE = INDEX["workingset_restore_file"]
PGPGIN = INDEX["pgpgin"]
PGPGOUT = INDEX["pgpgout"]
PSWPIN = INDEX["pswpin"]
PSWPOUT = INDEX["pswpout"]
PGALLOC_DMA = INDEX["pgalloc_dma"]  # then dma32, normal, movable
PGSKIP_DMA = INDEX["pgskip_dma"]  # then dma32, normal, movable
ALLOCSTALL_MOVABLE = INDEX["allocstall_movable"]
PGFREE = INDEX["pgfree"]
PGACTIVATE = INDEX["pgactivate"]
PGDEACTIVATE = INDEX["pgdeactivate"]
PGFAULT = INDEX["pgfault"]
PGMAJFAULT = INDEX["pgmajfault"]
PGREFILL = INDEX["pgrefill"]
PGREUSE = INDEX["pgreuse"]
PGSTEAL_KSWAPD = INDEX["pgsteal_kswapd"]
PGSTEAL_DIRECT = INDEX["pgsteal_direct"]
PGSCAN_KSWAPD = INDEX["pgscan_kswapd"]
PGSCAN_DIRECT = INDEX["pgscan_direct"]
PGSCAN_DIRECT_THROTTLE = INDEX["pgscan_direct_throttle"]
PGSCAN_ANON = INDEX["pgscan_anon"]
PGSTEAL_ANON = INDEX["pgsteal_anon"]
PAGEOUTRUN = INDEX["pageoutrun"]
KSWAPD_LOW_WMARK_HIT_QUICKLY = INDEX["kswapd_low_wmark_hit_quickly"]
KSWAPD_HIGH_WMARK_HIT_QUICKLY = INDEX["kswapd_high_wmark_hit_quickly"]
PGROTATED = INDEX["pgrotated"]
OOM_KILL = INDEX["oom_kill"]
SWAP_RA = INDEX["swap_ra"]
SWAP_RA_HIT = INDEX["swap_ra_hit"]
NR_MAPPED = INDEX["nr_mapped"]
NR_FILE_PAGES = INDEX["nr_file_pages"]
NR_DIRTY = INDEX["nr_dirty"]
NR_DIRTIED = INDEX["nr_dirtied"]
NR_ZONE_WRITE_PENDING = INDEX["nr_zone_write_pending"]
NR_SLAB_RECLAIMABLE = INDEX["nr_slab_reclaimable"]
NR_SLAB_UNRECLAIMABLE = INDEX["nr_slab_unreclaimable"]
NR_VMSCAN_IMMEDIATE_RECLAIM = INDEX["nr_vmscan_immediate_reclaim"]
NR_DIRTY_THRESHOLD = INDEX["nr_dirty_threshold"]
NR_DIRTY_BACKGROUND_THRESHOLD = INDEX["nr_dirty_background_threshold"]
WORKINGSET_NODES = INDEX["workingset_nodes"]
WORKINGSET_NODERECLAIM = INDEX["workingset_nodereclaim"]
PGSCAN_FILE = INDEX["pgscan_file"]
PGSTEAL_FILE = INDEX["pgsteal_file"]
SLABS_SCANNED = INDEX["slabs_scanned"]
NR_THROTTLED_WRITTEN = INDEX["nr_throttled_written"]
NR_UNEVICTABLE = INDEX["nr_unevictable"]
NR_MLOCK = INDEX["nr_mlock"]
NR_ZONE_UNEVICTABLE = INDEX["nr_zone_unevictable"]
NR_ZSPAGES = INDEX["nr_zspages"]
ZSWPIN = INDEX["zswpin"]
ZSWPOUT = INDEX["zswpout"]
ZSWPWB = INDEX["zswpwb"]  # 6.12 alone prints it
SWPIN_ZERO = INDEX["swpin_zero"]  # 6.12 alone prints it
SWPOUT_ZERO = INDEX["swpout_zero"]  # 6.12 alone prints it
