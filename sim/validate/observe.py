"""One replication of a configuration, looked at where its workload says so (MARK): snapshots of all counters."""

from __future__ import annotations

from collections.abc import Mapping

from models.memory import file_state as fi
from models.memory import state as st
from models.vmstat import NAMES
from models.workloads.stream import MARK_SHIFT
from sim.config.schema import Config
from sim.machine import make_vm
from sim.plan import plan_of
from sim.validate.guest import PAGE, Simulated
from sim.vm import Vm

NAMES_OF = {"zram": "zram_mm_stat"}  # what the counters of a backend stand under in a run's file: its own kind, or this


def _counters(vm: Vm, kind: str) -> dict[str, float]:
    found = {f"vmstat.{name}": float(value) for name, value in zip(NAMES, vm.vmstat, strict=True)}
    for z, name in enumerate(st.ZONE_NAMES):
        found[f"zoneinfo.{name}.free"] = float(vm.arrays.zone[z, st.ZONE_FREE])
        found[f"zoneinfo.{name}.boost"] = float(vm.arrays.zone[z, st.BOOST])
    for name, value in vm.built.backend_counters(vm.built.backend_num).items():
        found[f"{NAMES_OF.get(kind, kind)}.{name}"] = float(value)
    return found


def observe(config: Config, before: Mapping[str, float], room: int = 0) -> Simulated:
    """Run it to its end; counters of vmstat grow from what they are in `before`.  room: tree nodes that slab pages have room for."""
    plan, workloads = plan_of(config, 0, False)
    vm, groups = make_vm(config, plan, workloads)
    vm.arrays.slab[fi.NODE_CACHE, fi.OBJECTS] -= room
    start = _counters(vm, config.backend.kind)

    def since() -> dict[str, float]:
        now = _counters(vm, config.backend.kind)
        for key in now:
            if key.startswith("vmstat."):
                now[key] += float(before.get(key, start[key])) - start[key]
        return now

    snapshots, samples = [since()], []

    def mark(number: int) -> None:
        phase, accesses = number >> MARK_SHIFT, number & (1 << MARK_SHIFT) - 1
        if accesses == 0:
            snapshots.append(since())
        elif accesses > 1:
            samples.append((phase, accesses - 1, since()))

    vm.on_mark = (mark,)
    vm.env.run(until=groups[-1][0].ended)
    return Simulated(snapshots, samples)


__all__ = ["PAGE", "observe"]
