"""What the command line calls: `mempress fleet`, and `mempress run` on a file with `fleet:`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sim.errors import UserError
from sim.fleet.plan import load_fleet

SHOWN = 5  # VMs that `check` shows


def drawn_vms(config: str, sets: Sequence[str]) -> list[str]:
    """What `check` says of a fleet: its first VMs and the number of runs.  Raises UserError for anything wrong with any VM."""
    plan = load_fleet(config, sets)
    lines = [""]
    for vm in plan.vms[:SHOWN]:
        drawn = ", ".join(f"{key}={value}{plan.keys[key]}" for key, value in vm.drawn.items())
        lines.append(f"VM {vm.number}  {f'{vm.template}: ' if vm.template else ''}{drawn}")
    if len(plan.vms) > SHOWN:
        lines.append(f"      ... and {len(plan.vms) - SHOWN} more")
    lines += [f"with {name}" for name, _ in plan.settings]
    lines.append(f"{len(plan.vms):,} VMs with {len(plan.settings)} settings, {len(plan.jobs):,} runs: nothing wrong")
    return lines


def fleet(config: str, sets: Sequence[str], out: Path, again: bool, jobs: int | None, quiet: bool) -> int:
    """Draw the fleet of a file and simulate it; returns the exit status.  Raises UserError."""
    plan = load_fleet(config, sets)
    from sim.fleet.run import run

    return run(plan, out, again, jobs, quiet)


def run_instead(config: str, sets: Sequence[str], out: Path, *, again: bool, jobs: int | None, quiet: bool, **others: Any) -> int:
    """As `fleet`, for `run`, whose options for a single run or a sweep make no sense here."""
    if any(others.values()):
        names = ", ".join(f"--{name.replace('_', '-')}" for name, value in others.items() if value)
        raise UserError(f"{config}: {names}: not for a fleet, and this configuration is one; use --set fleet=null")
    return fleet(config, sets, out, again, jobs, quiet)
