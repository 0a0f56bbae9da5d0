"""Memory cgroups in a configuration: the section of one group, with cgroup v2's names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import create_model

from sim.config.parts import Controller, Key
from sim.config.section import Section, Size, Time, as_written

_V2 = "Linux 6.1 Documentation/admin-guide/cgroup-v2.rst"
_LARGEST = 1 << 50


def _limit(doc: str, default: str, least: int = 0) -> Any:
    return Annotated[Any, Key("size", "B", doc, _V2, least, _LARGEST, default=default)], as_written(default)


_WRITEBACK = Key("bool", "", "false: what zswap refuses or gives up stays in memory", "Linux 6.8 Documentation/admin-guide/cgroup-v2.rst")

Limits = create_model(
    "Limits",
    __base__=Section,
    **{
        "memory.max": _limit("hard limit: reclaim inside the group, then its OOM killer", "max", 256 << 10),
        "memory.high": _limit("beyond this its tasks reclaim and are slowed down", "max"),
        "memory.low": _limit("the machine's reclaim leaves this alone while there is anything else", "0B"),
        "memory.swap.max": _limit("swap that it may use", "max"),
        "memory.zswap.max": _limit("compressed bytes that it may have in zswap", "max"),
        "memory.zswap.writeback": (Annotated[bool, _WRITEBACK], as_written(True)),
    },
)


class ReclaimCommand(Section):
    """A write to memory.reclaim at a given time."""

    at: Annotated[Time, Key("time", "ns", "simulated time", "", 0)]
    bytes: Annotated[Size, Key("size", "B", "how much to reclaim", "", 4096, _LARGEST)]


if TYPE_CHECKING:

    class _Limits(Section):
        """What create_model makes, for type checkers."""

else:
    _Limits = Limits


class CgroupSection(_Limits):
    """A memory cgroup, a child of the root (docs/cgroups.md)."""

    reclaim: list[ReclaimCommand] = []
    controller: Controller = as_written("unmanaged")

    def limit(self, name: str) -> int | None:
        """One of the limits in bytes; None for `max`."""
        value = getattr(self, name)
        return value if isinstance(value, int) else None
