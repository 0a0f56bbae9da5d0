"""A recommendation as what an administrator types: sysctl lines, kernel parameters, snippets for zswap and zram-generator.

Sources: Documentation/admin-guide/sysctl/vm.rst, admin-guide/mm/zswap.rst (Linux 6.1), zram-generator.conf(5).  What is hardware or
workload, and not a setting of a running system, is listed apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sim.units import format_size, format_time

ZPOOLS = {"zsmalloc": "zsmalloc", "zbud": "zbud", "z3fold": "z3fold"}  # allocators of zswap in Linux 6.1, by the start of our names
COMPRESSORS = {"lz4": "lz4", "zstd": "zstd", "deflate": "deflate", "lzo": "lzo", "lzo-rle": "lzo-rle"}


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
    others = [f"{key} = {_at(resolved, key)}" for key in keys if not key.startswith(("machine.sysctl.", "backend"))]
    if others:
        found.append(Snippet("hardware or workload: no setting of a running Linux", others))
    return found


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
    settings = {"enabled": "1", "compressor": compressor, "zpool": zpool or "zsmalloc"}
    for name in ("max_pool_percent", "accept_threshold_percent"):
        if backend.get(name) is not None:
            settings[name] = f"{backend[name]:g}"
    words = " ".join(f"zswap.{name}={value}" for name, value in settings.items())
    files = [f"echo {value} > /sys/module/zswap/parameters/{name}" for name, value in settings.items()]
    return [Snippet("kernel parameters", [words]), Snippet("the same in a running system", files)]


def _zcache(backend: Mapping[str, Any]) -> list[Snippet]:
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
    found = [Snippet("/etc/systemd/zram-generator.conf", lines)]
    if backend.get("mem_limit"):
        found.append(Snippet("after the device is there", [f"echo {int(backend['mem_limit'])} > /sys/block/zram0/mem_limit"]))
    return found


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
