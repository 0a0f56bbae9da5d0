"""When reclaim was at work: a row for each run of kswapd and each time that a task reclaims (`output.record_reclaim`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from sim.vm import Vm

KSWAPD, DIRECT, GROUP = "kswapd", "direct", "cgroup"  # kinds; the last: in a memory cgroup, at its limits or because somebody asked
COLUMNS = "replication,kind,who,begin_ns,end_ns,reclaimed"


class Episode(NamedTuple):
    """who: kswapd, WORKLOAD/NUMBER of a task, or the cgroup that a controller reclaims in; reclaimed: pages."""

    kind: str
    who: str
    begin: int
    end: int
    reclaimed: int


class Episodes:
    """Collects them; whoever reclaims tells it when it begins and ends.  It changes nothing of the run."""

    def __init__(self, vm: Vm) -> None:
        self.vm = vm
        self.rows: list[Episode] = []
        self._open: dict[tuple[str, str], int] = {}

    def begin(self, kind: str, who: str) -> None:
        self._open[kind, who] = int(self.vm.env.now)

    def end(self, kind: str, who: str, reclaimed: int) -> None:
        self.rows.append(Episode(kind, who, self._open.pop((kind, who)), int(self.vm.env.now), reclaimed))

    def all(self) -> list[Episode]:
        """In the order of their beginning; those that are not over end now, with no pages told."""
        now = int(self.vm.env.now)
        going = [Episode(kind, who, begin, now, 0) for (kind, who), begin in self._open.items()]
        return sorted([*self.rows, *going], key=lambda row: (row.begin, row.end, row.kind, row.who))


def name_of(actor: Any) -> str:
    """A task's name as the event log has it; a controller's cgroup."""
    workload = getattr(actor, "workload", None)
    return f"{workload}/{actor.group.index(actor)}" if workload is not None else str(actor.group.name)


def reclaim_csv(runs: Sequence[Sequence[Episode]]) -> str:
    """reclaim.csv of all replications."""
    lines = [f"{k},{','.join(map(str, row))}" for k, rows in enumerate(runs) for row in rows]
    return "\n".join([COLUMNS, *lines]) + "\n"
