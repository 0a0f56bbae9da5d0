"""Independent jobs over all cores, with word of how far each is.

Not `concurrent.futures`: if the kernel kills one of its workers, every waiting future fails and nothing says which job it was;
and it has no channel for progress.  Here each worker has a pipe of its own: the parent sends the number of a job, the worker
sends back progress and the result.  A dead worker is an end of file on its pipe, and the parent knows what it was doing.

Workers are forked where that is safe (Linux, no other Python thread), so they start with everything the parent has imported and
compiled; elsewhere they are spawned.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

from sim.errors import UserError
from sim.progress import Progress

Report = Callable[[Progress], None]
Work = Callable[[Any, Report], Any]

_PROGRESS, _RESULT, _USER_ERROR, _FAILURE = range(4)


class JobError(Exception):
    """A job failed for a reason that is not the user's; `detail` is the worker's traceback, or empty."""

    def __init__(self, job: int, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.job, self.detail = job, detail


class JobUserError(UserError):
    """A job found the user's input wrong."""

    def __init__(self, job: int, message: str, key: str = "") -> None:
        super().__init__(message, key)
        self.job = job


class Done(NamedTuple):
    """Job number and what `work` returned."""

    job: int
    result: Any


def cores() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def start_method() -> str:
    """ "fork" where that is safe, else "spawn"."""
    return "fork" if sys.platform == "linux" and threading.active_count() == 1 else "spawn"


def _attempt(work: Work, job: Any, report: Report) -> tuple[int, Any]:
    try:
        return _RESULT, work(job, report)
    except Exception as error:  # whatever went wrong, the parent says which job it was
        if _is_for_people(error):
            return _USER_ERROR, (str(error), getattr(error, "key", ""))
        return _FAILURE, (f"{type(error).__name__}: {error}", traceback.format_exc())


def _is_for_people(error: Exception) -> bool:
    from models.errors import InputError

    return isinstance(error, InputError)


def _worker(pipe: Connection, inherited: Sequence[Connection], work: Work, jobs: Sequence[Any]) -> None:
    """Body of a worker process: jobs by number until the parent closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets Ctrl-C and ends us
    for other in inherited:
        other.close()  # or the other workers would not notice the parent's end
    try:
        while True:
            number = pipe.recv()
            kind, value = _attempt(work, jobs[number], lambda progress: pipe.send((_PROGRESS, tuple(progress))))
            pipe.send((kind, value))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the parent has ended
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        pipe.send((_FAILURE, (f"the result cannot be sent to the parent: {error}", "")))


def _raise(job: int, kind: int, value: Any) -> None:
    if kind == _USER_ERROR:
        raise JobUserError(job, *value)
    raise JobError(job, *value)


def run_jobs(
    work: Work, jobs: Sequence[Any], workers: int | None = None, progress: Callable[[int, Progress], None] | None = None
) -> Iterator[Done]:
    """Run `work(job, report)` for every job and yield results as they come, not in order.

    workers   processes at most (default: cores()); with one, or a single job, everything runs in this process
    progress  called with the job's number and its Progress
    Errors: JobUserError and JobError; all workers are ended before either is raised, and when the caller stops iterating.
    """
    wanted = min(workers or cores(), len(jobs))
    hear = progress or (lambda job, value: None)
    if wanted <= 1:
        for number, job in enumerate(jobs):
            kind, value = _attempt(work, job, lambda p, n=number: hear(n, p))  # type: ignore[misc]
            if kind != _RESULT:
                _raise(number, kind, value)
            yield Done(number, value)
        return
    yield from _over_processes(work, jobs, wanted, hear)


def _over_processes(work: Work, jobs: Sequence[Any], wanted: int, hear: Callable[[int, Progress], None]) -> Iterator[Done]:
    method = start_method()
    context: Any = multiprocessing.get_context(method)
    pipes: dict[Connection, Any] = {}
    doing: dict[Connection, int] = {}
    waiting = iter(range(len(jobs)))
    try:
        for number in [next(waiting) for _ in range(wanted)]:
            mine, theirs = context.Pipe()
            inherited = [*pipes, mine] if method == "fork" else []
            process = context.Process(target=_worker, args=(theirs, inherited, work, jobs), daemon=True)
            process.start()
            theirs.close()
            pipes[mine] = process
            mine.send(number)
            doing[mine] = number
        while doing:
            for ready in wait(list(doing)):
                assert isinstance(ready, Connection)
                yield from _heard(ready, pipes[ready], doing, waiting, hear)
    finally:
        for pipe in pipes:
            pipe.close()
        for process in pipes.values():
            process.terminate()
        for process in pipes.values():
            process.join()


def _heard(
    pipe: Connection, process: Any, doing: dict[Connection, int], waiting: Iterator[int], hear: Callable[[int, Progress], None]
) -> Iterator[Done]:
    """Take one message of a worker, and give it its next job if it is free."""
    number = doing[pipe]
    try:
        kind, value = pipe.recv()
    except (EOFError, ConnectionResetError):
        process.join()
        code = process.exitcode
        cause = f"signal {-code}, {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit status {code}"
        hint = "; the machine may be out of memory, try fewer --jobs" if code == -signal.SIGKILL else ""
        raise JobError(number, f"its worker process died ({cause}{hint})") from None
    if kind == _PROGRESS:
        hear(number, Progress(*value))
        return
    if kind != _RESULT:
        _raise(number, kind, value)
    following = next(waiting, None)
    if following is None:
        del doing[pipe]
    else:
        pipe.send(following)
        doing[pipe] = following
    yield Done(number, value)
