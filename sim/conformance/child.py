"""The process in which a plug-in runs: whatever it does, the one that started it lives on and tells it.

Says what it does on standard output, a JSON line each; all else that is printed goes to standard error.  Every index is checked (Numba's
bounds check), with a cache of its own for code compiled that way.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

SINGLE_SECONDS = 5.0  # a sequence takes milliseconds: one that takes so long does not end


def _apart() -> Any:
    """Standard output for our lines only."""
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return lines


def _checked_cache() -> None:
    """Compiled code with bounds checks must not be taken for the other."""
    from models import jit

    os.environ["MEMPRESS_CACHE"] = str(jit.cache_root() / "checked")
    jit.cache_root.cache_clear()
    jit.announce = lambda text: None


def _case(data: Any) -> Any:
    from sim.conformance.sequences import Case, Step

    page_size, max_pages, max_objects, may_take, steps = data
    return Case(page_size, max_pages, max_objects, may_take, tuple(Step(*step) for step in steps))


def main() -> None:
    """Examine what standard input says."""
    lines = _apart()

    def say(**data: Any) -> None:
        print(json.dumps(data), file=lines, flush=True)

    task = json.load(sys.stdin)
    _checked_cache()
    from sim.conformance.conform import Failure

    try:
        allocator = _load(task["target"])
    except _NotCompiled as error:
        say(failure=Failure("compile", str(error)))
        return
    except Exception as error:
        say(wrong=str(error))
        return
    say(loaded=True)
    try:
        _examine(allocator, task, say)
    except Exception as error:  # a fault of ours, not of the plug-in
        import traceback

        say(internal=f"{type(error).__name__}: {error}", detail=traceback.format_exc())


def _examine(allocator: Any, task: dict[str, Any], say: Callable[..., None]) -> None:
    from sim.conformance.conform import Failure, Kept, examine

    if task.get("case"):
        say(failure=_isolated(allocator, task))
        return
    found = examine(allocator, task["name"], task["options"], task["seed"], task["sequences"], lambda case: say(now=case))
    if isinstance(found, Failure):
        say(failure=found)
    else:
        assert isinstance(found, Kept)
        say(kept=found)


class _NotCompiled(Exception):
    pass


def _load(target: str) -> Any:
    """The plug-in's attribute.  _NotCompiled with the part of Numba's complaint that says something."""
    from numba.core.errors import NumbaError

    from models.registry import resolve

    try:
        return resolve(target)
    except Exception as error:
        cause = error.__cause__ if error.__cause__ is not None else error
        if not isinstance(cause, NumbaError):
            raise
        raise _NotCompiled(_complaint(str(cause))) from None


def _complaint(text: str) -> str:
    """The lines of a Numba error that name what is wrong and where."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    places = [line for line in lines if line.startswith("File ")]
    says = [line for line in lines if not line.startswith(("File ", "Failed in", "During", "- During", "def ", "<source", "^", "*"))]
    return "; ".join([*says[:3], *(f"in {place.rstrip(':')}" for place in places[-1:])])


# --- a sequence that takes the process down or does not end --------------------------------------------------------------


def _isolated(allocator: Any, task: dict[str, Any]) -> Any:
    """The shortest such sequence: each try is a process of its own."""
    from sim.conformance.conform import Failure, failure_of
    from sim.conformance.rules import Broken

    case, options = _case(task["case"]), task["options"]
    first = _forked(allocator, case, options) if hasattr(os, "fork") else None
    if first is None:
        rule = "ends" if task["hangs"] else "alive"
        told = tuple(step.text() for step in case.steps)
        return Failure(rule, "one of the operations below did it, but not when they were played alone", case, told, len(told))
    again: dict[Any, Broken | None] = {}

    def attempt(other: Any) -> Broken | None:
        if other not in again:
            again[other] = _forked(allocator, other, options, 0.5)
        return again[other]

    return failure_of(first, case, lambda other: [step.text() for step in other.steps], attempt, -1)


def _forked(allocator: Any, case: Any, options: dict[str, Any], seconds: float = SINGLE_SECONDS) -> Any:
    """Play a sequence in a process of its own, which tells before each step where it is."""
    from sim.conformance.rules import Broken

    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _play_and_tell(allocator, case, options, writing)
    os.close(writing)
    said = b""
    end = time.monotonic() + seconds
    hangs = False
    while True:
        if not select.select([reading], [], [], max(end - time.monotonic(), 0))[0]:
            hangs = True
            os.kill(child, signal.SIGKILL)
            break
        got = os.read(reading, 65536)
        if not got:
            break
        said += got
    os.close(reading)
    _, status = os.waitpid(child, 0)
    words = said.decode().split("\n")[:-1]
    if words and words[-1].startswith("end"):
        rule, _, text = words[-1][4:].partition(" ")
        return Broken(rule, text, int(words[-2]) if len(words) > 1 else 0) if rule else None
    at = int(words[-1]) if words else 0
    what = case.steps[at].text() if at < len(case.steps) else "freeing what is left"
    if hangs:
        return Broken("ends", f"the call for '{what}' had not ended after {seconds:g} s", at)
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    cause = signal.Signals(number).name if number else f"exit status {os.WEXITSTATUS(status)}"
    return Broken("alive", f"the process died at '{what}' ({cause})", at)


def _play_and_tell(allocator: Any, case: Any, options: dict[str, Any], pipe: int) -> None:
    """Body of the forked process."""
    from sim.conformance.player import Player
    from sim.conformance.rules import Broken

    with contextlib.suppress(BaseException):
        try:
            player = Player(allocator, case, options)
            call = player.call

            def told(name: str, *arguments: Any) -> int:
                os.write(pipe, f"{max(player.step, 0)}\n".encode())
                return call(name, *arguments)

            player.call = told  # type: ignore[method-assign]
            player.play()
            os.write(pipe, b"end\n")
        except Broken as broken:
            text = " ".join(broken.text.split())
            os.write(pipe, f"{max(broken.step, 0)}\nend {broken.rule} {text}\n".encode())
    os._exit(0)
