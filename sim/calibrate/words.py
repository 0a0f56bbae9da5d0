"""What was measured as tables, as YAML to paste, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sim.calibrate.figures import Cost, Found, Measured
from sim.calibrate.timing import Timed
from sim.units import about_time, format_time


def _time(timed: Timed) -> str:
    return f"{about_time(timed.median)} ±{timed.spread:.0f} %"


def _against(measured: float, default: int) -> str:
    return f"{measured / default:.2f}x" if default else "–"


def table(found: Found) -> Iterator[str]:
    """Lines for people."""
    yield found.machine + (f", CPU {found.cpu}" if found.cpu is not None else "")
    yield ""
    yield f"{'per 4 KiB page':<18}{'bytes':>7}  {'compress':>18}  {'decompress':>18}"
    for one in found.compressors:
        yield f"{one.name} ({one.library})"
        for row in one.rows:
            yield f"  {row.kind:<16}{row.size:>7.0f}  {_time(row.compress):>18}  {_time(row.decompress):>18}"
        yield f"  {'mean of these':<16}{'':>7}  {_time(one.compress):>18}  {_time(one.decompress):>18}"
        against = [_against(timed.median, default) for timed, default in zip((one.compress, one.decompress), one.defaults, strict=True)]
        yield f"  {'/ the default':<16}{'':>7}  {against[0]:>18}  {against[1]:>18}"
    yield ""
    for cost in found.costs:
        yield (
            f"costs.{cost.key:<10} {_time(cost.time):>14}  {cost.bandwidth:5.1f} GB/s, "
            f"{_against(cost.time.median, cost.default)} the default of {format_time(cost.default)}  ({cost.doc})"
        )
    yield ""
    yield from (f"not measured: {name}: {why}" for name, why in found.missing.items())
    yield f"A call from Python takes {about_time(found.call.median)}, which is taken off; making its result an object is not."
    yield from (f"warning: {text}" for text in found.warnings)


def _whole(timed: Timed) -> int:
    return max(1, round(timed.median))


def setting(one: Measured) -> str:
    """The compressor as a configuration names it."""
    times = f"compress_time: {format_time(_whole(one.compress))}, decompress_time: {format_time(_whole(one.decompress))}"
    return f"{{kind: {one.name}, {times}}}"


def fragment(found: Found) -> str:
    """YAML: `costs` as it stands, compressors as comments, since where they go depends on the backend."""
    lines = [f"# mempress calibrate: {found.machine}"]
    lines += [f"# {text}" for text in found.warnings]
    lines += ["costs:", *(f"  {_cost(cost)}" for cost in found.costs)]
    lines += ["# in the place of a compressor's name, such as backend.persistent.compressor:"]
    lines += [f"#   {setting(one)}" for one in found.compressors]
    lines += [f"# not measured, so the defaults: {', '.join(found.missing)}"] if found.missing else []
    return "\n".join(lines) + "\n"


def _cost(cost: Cost) -> str:
    return f"{cost.key}: {format_time(_whole(cost.time))}"


def _timed(timed: Timed) -> dict[str, float]:
    return {"median_ns": round(timed.median, 1), "spread_percent": round(timed.spread, 1)}


def document(found: Found) -> dict[str, Any]:
    """All of it as plain data (docs/compressors.md has the keys)."""
    return {
        "kind": "calibration",
        "machine": found.machine,
        "cpu": found.cpu,
        "call": _timed(found.call),
        "compressors": [
            {
                "name": one.name,
                "library": one.library,
                "setting": setting(one),
                "compress": {**_timed(one.compress), "default_ns": one.defaults[0]},
                "decompress": {**_timed(one.decompress), "default_ns": one.defaults[1]},
                "pages": [
                    {"kind": row.kind, "bytes": round(row.size, 1), "compress": _timed(row.compress), "decompress": _timed(row.decompress)}
                    for row in one.rows
                ],
            }
            for one in found.compressors
        ],
        "costs": [
            {"key": cost.key, **_timed(cost.time), "gigabytes_per_second": round(cost.bandwidth, 2), "default_ns": cost.default}
            for cost in found.costs
        ],
        "not_measured": found.missing,
        "warnings": found.warnings,
    }
