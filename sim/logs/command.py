"""The command `mempress compare RUN --with LOG`."""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from sim.errors import UserError
from sim.logs.document import document
from sim.logs.figures import Against, against
from sim.logs.read import read_log
from sim.logs.run import read_run
from sim.logs.terminal import shown
from sim.units import parse_time


def run(places: Sequence[str], logs: Sequence[Path], form: str, interval: str | None, out: Path | None, as_json: bool) -> int:
    """Lay one run over each log, print, write the page, and return the exit status.

    The page goes to `out`; without it beside the run's folder, and with `as_json` nowhere.
    Errors: UserError for anything but one run, and for what cannot be read.
    """
    if len(places) != 1:
        raise UserError(f"--with: lays one run over a log, and {len(places)} runs are given; name one run folder, or SWEEP:CASE")
    seconds = None if interval is None else _seconds(interval)
    one = read_run(places[0])
    found = [against(read_log(path, form, one.page_size, seconds), one) for path in logs]
    page = out if out is not None or as_json else one.folder.resolve().parent / f"compare-{_digest(found)}.html"
    if page is not None:
        from sim.report.log_page import write_page

        write_page(page, found, shlex.join(["mempress", *sys.argv[1:]]))
    if as_json:
        print(json.dumps(document(found), indent=1, ensure_ascii=False, allow_nan=False))
        return 0
    print("\n\n".join("\n".join(shown(each)) for each in found))
    print(f"\npage: {page}")
    return 0


def _seconds(text: str) -> float:
    try:
        found = parse_time(text) / 1e9
    except ValueError as error:
        raise UserError(f"--log-interval: {error}") from None
    if found <= 0:
        raise UserError(f"--log-interval: found {text}; expected a time above 0, such as 1s")
    return found


def _digest(found: Sequence[Against]) -> str:
    """The same for the same run and logs, so that the page is written over and not beside itself."""
    what = [found[0].run.document["id"], *(str(Path(one.log.path).resolve()) for one in found)]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:12]
