"""What the command line calls: `mempress fleet`, and `mempress run` on a file with `fleet:`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sim.errors import UserError
from sim.fleet.plan import load_fleet


def fleet(config: str, sets: Sequence[str], out: Path, again: bool, jobs: int | None, quiet: bool) -> int:
    """Draw the fleet of a file and simulate it; returns the exit status.  Raises UserError."""
    plan = load_fleet(config, sets)
    from sim.fleet.run import run

    return run(plan, out, again, jobs, quiet)


def run_instead(
    config: str, sets: Sequence[str], out: Path, again: bool, jobs: int | None, trace: Path | None, check: int, quiet: bool
) -> int:
    """As `fleet`, for `run`, whose options for a single run make no sense here."""
    if trace is not None or check:
        raise UserError(f"{config}: --trace and --check are for one run, and this configuration is a fleet; use --set fleet=null")
    return fleet(config, sets, out, again, jobs, quiet)
