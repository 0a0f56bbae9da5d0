"""mempress: a discrete-event simulator of a Linux virtual machine under memory pressure.

The public interface.  A configuration in Python is one to one with the YAML:

    from pathlib import Path
    import sim

    config = sim.Config(
        name="small",
        machine=sim.Machine(memory="160MiB"),
        devices={"disk": sim.Device("ssd")},
        swap=sim.Swap(device="disk", size="1GiB"),
        backend=sim.Backend("zcache", persistent={"allocator": "xcfmalloc"}),
        workloads=[sim.Workload(name="hot", kind="zipf", size="200MiB")],
    )
    result = sim.simulate(config, 0)          # replication 0, in this process
    sim.run(sim.prepare(config), Path("results"))  # all replications and cases, with results and report in a folder
    loaded = sim.load("configs/quickstart.yaml", ["machine.memory=120MiB"])

Names are imported when they are first used, so that `import sim` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sim.errors import UserError

if TYPE_CHECKING:
    from sim.config.load import Case, Loaded, load, prepare
    from sim.config.parts import Allocator, Backend, Compressor, Contents, Device, Part, Pattern, Policy
    from sim.config.replications import Replications
    from sim.config.schema import Config, Machine, Output, Published, Reclaim, Swap, Sweep, SweepCase, Workload
    from sim.machine import simulate
    from sim.run import run

__all__ = [
    "Allocator",
    "Backend",
    "Case",
    "Compressor",
    "Config",
    "Contents",
    "Device",
    "Loaded",
    "Machine",
    "Output",
    "Part",
    "Pattern",
    "Policy",
    "Published",
    "Reclaim",
    "Replications",
    "Swap",
    "Sweep",
    "SweepCase",
    "UserError",
    "Workload",
    "load",
    "prepare",
    "run",
    "simulate",
]

_HOMES = {
    "sim.config.load": ("Case", "Loaded", "load", "prepare"),
    "sim.config.parts": ("Allocator", "Backend", "Compressor", "Contents", "Device", "Part", "Pattern", "Policy"),
    "sim.config.schema": ("Config", "Machine", "Output", "Published", "Reclaim", "Swap", "Sweep", "SweepCase", "Workload"),
    "sim.config.replications": ("Replications",),
    "sim.machine": ("simulate",),
    "sim.run": ("run",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'sim' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
