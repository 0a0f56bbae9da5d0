"""A recommendation as what an administrator types: sysctl lines, kernel parameters, snippets for zswap and zram-generator.

Sources: Documentation/admin-guide/sysctl/vm.rst, admin-guide/mm/zswap.rst, ABI/stable/sysfs-block, block/deadline-iosched.rst (Linux 6.1),
zram-generator.conf(5).  What is hardware, workload or only the simulated kernel's, and no setting of a running system, is listed apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sim.units import format_size, format_time

ZPOOLS = {"zsmalloc": "zsmalloc", "zbud": "zbud", "z3fold": "z3fold"}  # allocators of zswap in Linux 6.1, by the start of our names
COMPRESSORS = {"lz4": "lz4", "zstd": "zstd", "deflate": "deflate", "lzo": "lzo", "lzo1x": "lzo", "lzo-rle": "lzo-rle"}
# Switches of zswap that are named if they are not as usual: not every kernel has each.
ZSWAP_SWITCHES = {
    "same_filled_pages_enabled": True,
    "non_same_filled_pages_enabled": True,
    "exclusive_loads": False,
    "shrinker_enabled": False,
}
# Keys of a file system or a device -> file below /sys, DEV the block device's name, and what one of its units is in ours.
FILESYSTEM = {
    "read_ahead": ("/sys/block/DEV/queue/read_ahead_kb", 1024),
    "max_request": ("/sys/block/DEV/queue/max_sectors_kb", 1024),
    "fault_around": ("/sys/kernel/debug/fault_around_bytes", 1),
}
QUEUE = {
    "scheduler": ("/sys/block/DEV/queue/scheduler", 1),
    "nr_requests": ("/sys/block/DEV/queue/nr_requests", 1),
    "max_sectors_kb": ("/sys/block/DEV/queue/max_sectors_kb", 1),
    "fifo_batch": ("/sys/block/DEV/queue/iosched/fifo_batch", 1),
    "writes_starved": ("/sys/block/DEV/queue/iosched/writes_starved", 1),
    "read_expire": ("/sys/block/DEV/queue/iosched/read_expire", 1_000_000),
    "write_expire": ("/sys/block/DEV/queue/iosched/write_expire", 1_000_000),
    "front_merges": ("/sys/block/DEV/queue/iosched/front_merges", 1),
}
KERNEL = ("machine.scheduler.", "machine.kernel", "reclaim", "swap.readahead", "costs.")  # parts of the simulated kernel


class Snippet(NamedTuple):
    """Where lines go, the lines, and a remark."""

    title: str
    lines: list[str]
    remark: str = ""


def snippets(resolved: Mapping[str, Any], keys: Sequence[str]) -> list[Snippet]:
    """The settings of a resolved configuration, `keys` of which were tuned."""
    found = []
    sysctl = (resolved.get("machine") or {}).get("sysctl") or {}
    tuned = {key.partition("machine.sysctl.")[2] for key in keys if key.startswith("machine.sysctl.")}
    lines = [f"{name} = {_sysctl(value)}" for name, value in sysctl.items() if name in tuned]
    if lines:
        found.append(Snippet("/etc/sysctl.d/90-mempress.conf (sysctl --system)", lines))
    backend = resolved.get("backend") or {}
    if any(key.partition(".")[0] == "backend" for key in keys):
        found += _BACKENDS.get(backend.get("kind", "none"), _unknown)(backend)
    files = {key: file for key in keys if (file := _sysfs(resolved, key))}
    if files:
        remark = "put the block device's name for DEV; they are lost at the next boot: a udev rule keeps them"
        found.append(Snippet("files of a running system", list(files.values()), remark))
    if "swap.size" in keys:
        found.append(_swap_file(resolved["swap"]["size"]))
    others = [key for key in keys if not key.startswith(("machine.sysctl.", "backend")) and key not in files and key != "swap.size"]
    kernel = [key for key in others if key.startswith(KERNEL)]
    for title, group in (
        ("hardware or workload: no setting of a running Linux", [key for key in others if key not in kernel]),
        ("the simulated kernel itself: no setting of Linux 6.1", kernel),
    ):
        if group:
            found.append(Snippet(title, [f"{key} = {_at(resolved, key)}" for key in group]))
    return found


def _sysfs(resolved: Mapping[str, Any], key: str) -> str:
    """The line that sets a key in /sys, or ""."""
    parts = key.split(".")
    if parts[0] == "filesystem" and len(parts) == 2 and parts[1] in FILESYSTEM:
        file, unit = FILESYSTEM[parts[1]]
        value = (resolved.get("filesystem") or {}).get(parts[1])
    elif parts[0] == "devices" and len(parts) == 3 and parts[2] in QUEUE:
        file, unit = QUEUE[parts[2]]
        value = (resolved["devices"].get(parts[1]) or {}).get(parts[2])
    else:
        return ""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int):
        return f"echo {_sysctl(value)} > {file}"
    return f"echo {value // unit} > {file}"


def _swap_file(size: int) -> Snippet:
    mebibytes = -(-int(size) >> 20)
    return Snippet(
        "a swap file of that size",
        [
            f"dd if=/dev/zero of=/swapfile bs=1M count={mebibytes}",
            "chmod 600 /swapfile",
            "mkswap /swapfile",
            "swapon /swapfile",
        ],
    )


def _sysctl(value: Any) -> str:
    return {True: "1", False: "0"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _none(_: Mapping[str, Any]) -> list[Snippet]:
    return [Snippet("kernel parameters", ["zswap.enabled=0"], "plain swap: neither zswap nor zram")]


def _part(value: Any) -> Mapping[str, Any]:
    """A part as {kind: ...}, also if it is only named."""
    return value if isinstance(value, Mapping) else {"kind": str(value)} if value is not None else {}


def _name(value: Any) -> str:
    return str(_part(value).get("kind", ""))


def _pool(backend: Mapping[str, Any]) -> tuple[str, str]:
    """(compressor, zpool) of a zswap-like backend; its settings may be in `persistent`."""
    inner = _part(backend.get("persistent") or backend)
    compressor = COMPRESSORS.get(_name(inner.get("compressor")), "lzo")
    allocator = _name(inner.get("allocator") or inner.get("zpool"))
    return compressor, next((pool for start, pool in ZPOOLS.items() if allocator.startswith(start)), "")


def _zswap(backend: Mapping[str, Any]) -> list[Snippet]:
    compressor, zpool = _pool(backend)
    settings = {"enabled": "0" if backend.get("enabled") is False else "1", "compressor": compressor, "zpool": zpool or "zsmalloc"}
    for name in ("max_pool_percent", "accept_threshold_percent"):
        if backend.get(name) is not None:
            settings[name] = f"{backend[name]:g}"
    for name, usual in ZSWAP_SWITCHES.items():
        if backend.get(name, usual) is not usual:
            settings[name] = "N" if usual else "Y"
    words = " ".join(f"zswap.{name}={value}" for name, value in settings.items())
    files = [f"echo {value} > /sys/module/zswap/parameters/{name}" for name, value in settings.items()]
    return [Snippet("kernel parameters", [words]), Snippet("the same in a running system", files)]


def _zcache(backend: Mapping[str, Any]) -> list[Snippet]:
    if backend.get("frontswap") is False:
        gone = "zcache for clean pages of files alone: cleancache left the kernel in Linux 5.17, and nothing took its place"
        return [Snippet("backend", ["zswap.enabled=0"], gone)]
    _, zpool = _pool(backend)
    allocator = _name(_part(backend.get("persistent")).get("allocator"))
    remark = "zcache left the kernel in Linux 3.11; zswap is its nearest relative today"
    if not zpool:
        remark += f", and has no allocator like {allocator or 'this one'}: zsmalloc is the densest that it has"
    first, *rest = _zswap(backend)
    return [first._replace(remark=remark), *rest]


def _zram(backend: Mapping[str, Any]) -> list[Snippet]:
    compressor, _ = _pool(backend)
    size = backend.get("disksize") or backend.get("size")
    lines = ["[zram0]"]
    if size is not None:
        lines.append(f"zram-size = {int(size) >> 20}")
    lines.append(f"compression-algorithm = {compressor}")
    lines.append("swap-priority = 100")
    if backend.get("backing_dev"):
        lines.append("writeback-device = /dev/DEV")
    found = [
        Snippet("/etc/systemd/zram-generator.conf", lines, "put the block device's name for DEV" if backend.get("backing_dev") else "")
    ]
    later = _zram_files(backend)
    if later:
        found.append(Snippet("after the device is there", later))
    return found


def _zram_files(backend: Mapping[str, Any]) -> list[str]:
    """What is written below /sys/block/zram0 once the device is there (Documentation/admin-guide/blockdev/zram.rst)."""
    lines = []
    if backend.get("mem_limit"):
        lines.append(f"echo {int(backend['mem_limit'])} > /sys/block/zram0/mem_limit")
    for priority, other in enumerate(backend.get("recomp_algorithm") or (), 1):
        lines.append(f'echo "algo={COMPRESSORS.get(_name(other), _name(other))} priority={priority}" > /sys/block/zram0/recomp_algorithm')
    if backend.get("writeback_limit") is not None:
        lines.append("echo 1 > /sys/block/zram0/writeback_limit_enable")
        lines.append(f"echo {int(backend['writeback_limit'])} > /sys/block/zram0/writeback_limit")
    return lines


def _unknown(backend: Mapping[str, Any]) -> list[Snippet]:
    return [Snippet("backend", [str(backend.get("kind"))], "a backend of your own: mempress knows no Linux setting for it")]


_BACKENDS = {"none": _none, "zswap": _zswap, "zcache": _zcache, "zram": _zram}


def _at(resolved: Mapping[str, Any], key: str) -> str:
    """The value at a dotted key, as one writes it where its unit can be told from its name."""
    value: Any = resolved
    parts = key.split(".")
    while parts:
        if isinstance(value, list):
            value = next((item for item in value if isinstance(item, Mapping) and item.get("name") == parts[0]), None) or _indexed(
                value, parts[0]
            )
            parts = parts[1:]
            continue
        name = next(
            (".".join(parts[:n]) for n in range(len(parts), 0, -1) if isinstance(value, Mapping) and ".".join(parts[:n]) in value), None
        )
        if name is None:
            return "?"
        value, parts = value[name], parts[len(name.split(".")) :]
    if isinstance(value, Mapping):
        return _name(value)
    last = key.rpartition(".")[2]
    if isinstance(value, int) and not isinstance(value, bool):
        if last in ("memory", "size", "capacity", "bandwidth", "page_size", "kernel_reserved", "read_ahead"):
            return format_size(value)
        if last.endswith(("latency", "think", "start", "threshold", "period")):
            return format_time(value)
    return str(value)


def _indexed(items: Sequence[Any], text: str) -> Any:
    return items[int(text)] if text.isdecimal() and int(text) < len(items) else None
