"""What differs between the configurations of the sides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sim.compare.sources import Side


def settings_of(sides: Sequence[Side]) -> dict[str, list[str]]:
    """Dotted key -> its value on each side, for keys whose value is not the same on all; "several" where the side's runs differ."""
    flat = [[dict(_flat(run["config"])) for run in side.runs] for side in sides]
    keys = dict.fromkeys(key for runs in flat for config in runs for key in config)
    found: dict[str, list[str]] = {}
    for key in keys:
        if key in ("name", "description", "replications"):
            continue
        columns = [[config.get(key, "–") for config in runs] for runs in flat]
        if any(column != columns[0] for column in columns[1:]):
            found[key] = [column[0] if len(set(column)) == 1 else "several" for column in columns]
    return found


def _flat(value: Any, path: str = "") -> Iterable[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value and all(isinstance(item, Mapping | list) for item in value):
        for index, item in enumerate(value):
            name = item.get("name", index) if isinstance(item, Mapping) else index
            yield from _flat(item, f"{path}.{name}")
    else:
        yield path, _setting(value)


def _setting(value: Any) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
