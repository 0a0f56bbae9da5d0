"""The command `mempress calibrate`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sim.errors import UserError

WIDTH = 60


def calibrate(out: Path | None, as_json: bool, repeats: int, quiet: bool) -> int:
    """Measure, print tables and YAML (or JSON) on standard output, write the YAML to `out`, and return the exit status.

    Errors: UserError if `out` cannot be written; it is tried before anything is measured.
    """
    if out is not None:
        _try(out)
    from sim.calibrate.figures import measure
    from sim.calibrate.words import document, fragment, table

    shown = not quiet and sys.stderr.isatty()
    try:
        found = measure(repeats, _bar if shown else _silent)
    finally:
        if shown:
            print("\r" + " " * WIDTH + "\r", end="", file=sys.stderr, flush=True)
    text = fragment(found)
    if as_json:
        print(json.dumps(document(found), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        print("\n".join(table(found)))
        print("\n" + text, end="")
    if out is not None:
        _write(out, text)
        if not quiet:
            print(f"mempress: written to {out}", file=sys.stderr)
    return 0


def _silent(what: str, share: float) -> None:
    pass


def _bar(what: str, share: float) -> None:
    done = int(30 * share)
    print(f"\r  [{'#' * done}{'.' * (30 - done)}] {100 * share:3.0f} %  {what:<10}"[:WIDTH], end="", file=sys.stderr, flush=True)


def _try(path: Path) -> None:
    """UserError if the file cannot be written; what is there stays."""
    there = path.exists()
    try:
        with path.open("a", encoding="utf-8"):
            pass
        if not there:
            path.unlink()
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None
