"""`mempress conformance`: which allocator, the process that runs it, and what is told of it."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from sim.config.plugin import is_plugin
from sim.conformance.rules import RULES
from sim.conformance.sequences import PLENTY
from sim.errors import UserError

KEPT, BROKEN = 0, 1
LOAD_SECONDS = 300.0  # to compile; afterwards a line comes every few milliseconds
SEQUENCE_SECONDS = 30.0
SHRINK_SECONDS = 180.0
MOST_LINES = 40  # of the operations, that are shown


class _Heard(NamedTuple):
    """What the process said: its last word, the sequence that it was at, and whether it was ended for its silence."""

    last: dict[str, Any]
    case: Any
    loaded: bool
    hangs: bool
    status: int
    errors: str


def full_name(text: str) -> str:
    """FILE:NAME for FILE, if the file describes one plug-in; else as it is.  UserError if it describes none or several."""
    if not text.endswith(".py"):
        return text
    path = Path(text)
    try:
        tree = ast.parse(path.read_bytes())
    except OSError as error:
        raise UserError(f"{text}: cannot read the plug-in: {error.strerror or error}") from None
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{text}: not a Python file: {error}") from None
    names = [
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
        for target in node.targets
        if isinstance(target, ast.Name) and any(isinstance(key, ast.Constant) and key.value == "target" for key in node.value.keys)
    ]
    if len(names) != 1:
        found = f"{len(names)} ({', '.join(names)}): say which, as {text}:{names[0]}" if names else "none"
        raise UserError(f"{text}: expected one dict with `target` that describes the plug-in; found {found}")
    return f"{text}:{names[0]}"


def _part(name: str) -> Any:
    """The allocator with its settings' defaults.  UserError if there is no such."""
    from sim.config.parts import Allocator

    return Allocator(os.path.abspath(name) if is_plugin(name) else name)


def conformance(text: str, seed: int, sequences: int, out: TextIO) -> int:
    """Examine the allocator and tell; 0 if it keeps the contract, 1 if it breaks a rule.  UserError if there is no such allocator."""
    name = full_name(text)
    part = _part(name)
    shown = name if is_plugin(name) else part.kind
    task = {"target": part.entry.target, "name": shown, "options": part.options, "seed": seed, "sequences": sequences}
    heard = _ask(task)
    if "wrong" in heard.last:
        raise UserError(heard.last["wrong"])
    if "internal" in heard.last:
        raise RuntimeError(
            f"{heard.last['internal']}\n{heard.last['detail']}" if os.environ.get("MEMPRESS_DEBUG") == "1" else heard.last["internal"]
        )
    failure = heard.last.get("failure") or _failure_of_silence(heard, task)
    if failure is None:
        out.writelines(line + "\n" for line in _kept(shown, heard.last["kept"], seed))
        return KEPT
    out.writelines(line + "\n" for line in _broken(shown, failure, seed))
    return BROKEN


# --- the other process ---------------------------------------------------------------------------------------------------


def _ask(task: dict[str, Any]) -> _Heard:
    """Run the task in a process of its own until it ends or says nothing for too long."""
    code = f"import sys; sys.path[:] = {sys.path!r}; from sim.conformance.child import main; main()"
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1"}
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        )
        assert process.stdin is not None and process.stdout is not None
        silent = threading.Event()
        watch = _Watch(process, silent, LOAD_SECONDS)
        try:
            try:
                json.dump(task, process.stdin)
                process.stdin.close()
            except BrokenPipeError:
                pass
            last, case, loaded = _listen(process.stdout, watch, SHRINK_SECONDS if task.get("case") else SEQUENCE_SECONDS)
            process.wait()
        finally:
            watch.stop()
            process.kill()
            process.wait()
        errors.seek(0)
        return _Heard(last, case, loaded, silent.is_set(), process.returncode, errors.read())


class _Watch:
    """Ends a process that has said nothing for so long."""

    def __init__(self, process: subprocess.Popen[str], silent: threading.Event, seconds: float) -> None:
        self.process, self.silent = process, silent
        self.timer: threading.Timer | None = None
        self.again(seconds)

    def again(self, seconds: float) -> None:
        self.stop()
        self.timer = threading.Timer(seconds, self._end)
        self.timer.daemon = True
        self.timer.start()

    def _end(self) -> None:
        self.silent.set()
        self.process.kill()

    def stop(self) -> None:
        if self.timer is not None:
            self.timer.cancel()


def _listen(lines: Any, watch: _Watch, seconds: float) -> tuple[dict[str, Any], Any, bool]:
    last: dict[str, Any] = {}
    case, loaded = None, False
    for line in lines:
        last = json.loads(line)
        loaded = loaded or "loaded" in last
        case = last.get("now", case)
        if loaded:
            watch.again(seconds)
    return last, case, loaded


def _failure_of_silence(heard: _Heard, task: dict[str, Any]) -> Any:
    """The failure of a process that did not finish; None if it did."""
    if "kept" in heard.last:
        return None
    if heard.case is None:
        when = "making its first pools" if heard.loaded else "loading it"
        words = heard.errors.strip().splitlines()[-1:] or [f"exit status {heard.status}"]
        return ["ends" if heard.hangs else "alive", f"the process did not survive {when}: {words[0]}", None, [], 0, -1]
    second = _ask({**task, "case": heard.case, "hangs": heard.hangs})
    if "failure" in second.last:
        return second.last["failure"]
    steps = heard.case[4]
    what = "did not end" if heard.hangs else "took the process down"
    return ["ends" if heard.hangs else "alive", f"a sequence of {len(steps)} operations {what}", None, [], len(steps), -1]


# --- words ---------------------------------------------------------------------------------------------------------------


def _pages(sizes: list[int]) -> str:
    words = [str(size >> 10) for size in sizes]
    return (", ".join(words[:-1]) + " and " if len(words) > 1 else "") + words[-1] + " KiB"


def _kept(name: str, kept: list[Any], seed: int) -> Iterator[str]:
    sequences, operations, sizes, evicts, compacted, replayable = kept
    compaction = f"compaction gave back {compacted} pages" if compacted else "compaction gave nothing back"
    yield f"{name} keeps the contract: {sequences} sequences of seed {seed}, {operations} operations, pages of {_pages(sizes)}"
    yield f"  {'evictions were played, with refusals' if evicts else 'it has no eviction (evict_begin is None)'}; {compaction}"
    if not replayable:
        yield "  `mempress replay` refuses it: its record has no answers"


def _broken(name: str, failure: list[Any], seed: int) -> Iterator[str]:
    rule, text, case, told, steps, number = failure
    yield f"{name} breaks a rule of the allocator contract (models/allocators/pool.py)"
    yield f"  rule: {RULES[rule]} [{rule}]"
    yield f"  found: {text}"
    if case is None:
        return
    page_size, max_pages, max_objects, may_take, _ = case
    pages = "any" if may_take == PLENTY else may_take
    yield f"  pool: page_size={page_size}, max_pages={max_pages}, max_objects={max_objects}, may_take={pages}"
    origin = f"the shortest found of {steps}" + (f", sequence {number} of seed {seed}" if number >= 0 else f", seed {seed}")
    yield f"  operations ({origin}):"
    shown = list(told)
    if len(shown) > MOST_LINES:
        shown[MOST_LINES // 2 : -MOST_LINES // 2] = [f"... {len(told) - MOST_LINES} lines more ..."]
    yield from (f"    {line}" for line in shown)
