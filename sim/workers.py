"""Processes that work: a `concurrent.futures.Executor` whose workers may die, and independent jobs over it.

Not `concurrent.futures.ProcessPoolExecutor`: if the kernel kills one of its workers, every waiting future fails, nothing says which
job it was, and the pool is of no more use; and it has no channel for progress.  Here each worker has a pipe of its own.  A dead worker
is an end of file on its pipe: its job's future fails with `WorkerDied`, another worker takes its place, and the others go on.

Workers are forked where that is safe (Linux, no other Python thread), so they start with everything the parent has imported and
compiled; elsewhere, and when one is replaced, they are spawned.  The jobs themselves are always sent, as `Executor.submit` says.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future
from concurrent.futures import wait as wait_for
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

from sim.errors import UserError
from sim.progress import Progress

Report = Callable[[Progress], None]
Work = Callable[[Any, Report], Any]

AHEAD = 2  # calls handed over for each worker, so that none waits for the parent
LOOK_EVERY_S = 0.1  # how often a waiting parent looks at the progress of its jobs
RESULT, USER_ERROR, FAILURE = range(3)  # how an attempt ended
_PROGRESS, _DONE, _UNSENT = range(3)  # what a worker says


class WorkerDied(Exception):
    """The process that did a job is gone; the message says how it ended."""


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


# ---------------------------------------------------------------- what runs in a worker


def _nobody(_: Progress) -> None:
    """Nobody wants to know."""


_report: Report = _nobody
_shared: tuple[Work, Sequence[Any]] | None = None  # what forked workers have of `run_jobs`: its work and its jobs


def report(progress: Progress) -> None:
    """How far the job is that this process is doing; told to whoever gave it, if that is possible."""
    _report(progress)


def attempt(work: Work, job: Any) -> tuple[int, Any]:
    """(RESULT, what work returned), (USER_ERROR, (message, key)) or (FAILURE, (message, traceback)): any end, as plain values."""
    try:
        return RESULT, work(job, report)
    except Exception as error:  # whatever went wrong, the parent says which job it was
        if _is_for_people(error):
            return USER_ERROR, (str(error), getattr(error, "key", ""))
        return FAILURE, (f"{type(error).__name__}: {error}", traceback.format_exc())


def _numbered(number: int) -> tuple[int, Any]:
    """The attempt at a job that this worker was forked with."""
    assert _shared is not None
    work, jobs = _shared
    try:
        job = jobs[number]
    except Exception as error:
        return FAILURE, (f"{type(error).__name__}: {error}", traceback.format_exc())
    return attempt(work, job)


def _is_for_people(error: Exception) -> bool:
    from models.errors import InputError

    return isinstance(error, InputError)


def _call(payload: bytes) -> tuple[bool, Any]:
    """(True, result) or (False, exception) of a pickled (function, arguments, keywords)."""
    try:
        function, args, keywords = pickle.loads(payload)
        return True, function(*args, **keywords)
    except Exception as error:
        return False, error


def _worker(pipe: Connection, inherited: Sequence[Connection], shared: tuple[Work, Sequence[Any]] | None = None) -> None:
    """Body of a worker process: one call after another, until the parent closes the pipe."""
    global _report, _shared
    _shared = shared
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets Ctrl-C and ends us
    gc.freeze()  # what the parent had stays: a collection after a job need not look at it, nor copy its pages
    for other in inherited:
        other.close()  # or the other workers would not notice the parent's end
    _report = lambda progress: pipe.send((_PROGRESS, tuple(progress)))  # noqa: E731
    try:
        while True:
            answer = _call(pipe.recv_bytes())
            try:
                pipe.send((_DONE, answer))
            except (pickle.PicklingError, TypeError, AttributeError) as error:
                pipe.send((_UNSENT, f"the result cannot be sent to the parent: {error}"))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the parent has ended


# ---------------------------------------------------------------- executors


class Inline(Executor):
    """Does every call at once, in this process."""

    def __init__(self, hear: Report | None = None) -> None:
        self._hear = hear or _nobody

    def submit(self, function: Callable[..., Any], /, *args: Any, **keywords: Any) -> Future[Any]:
        """A future that is done already.  KeyboardInterrupt passes through."""
        global _report
        future: Future[Any] = Future()
        before, _report = _report, self._hear
        try:
            future.set_result(function(*args, **keywords))
        except Exception as error:
            future.set_exception(error)
        finally:
            _report = before
        return future


class _Member(NamedTuple):
    """A worker process, with the parent's end of its pipe."""

    process: Any
    pipe: Connection


class Pool(Executor):
    """An executor of so many worker processes.

    latest  the last progress of each future that is being done
    A call is sent pickled, so its function must be importable.  Shut it down, or use it as a context manager: leaving that early
    (`cancel`) ends the workers at once.
    """

    def __init__(self, workers: int, shared: tuple[Work, Sequence[Any]] | None = None) -> None:
        """shared: what workers are to have without its being sent; only those that are forked from the start get it (`forked`)."""
        self.latest: dict[Future[Any], Progress] = {}
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Future[Any], bytes]] = deque()
        self._doing: dict[Connection, Future[Any]] = {}
        self._members: dict[Connection, _Member] = {}
        self._closing = self._ending = False
        self._size = workers
        self.forked = start_method() == "fork"
        for _ in range(workers):
            self._start(shared)
        self._bell, self._ring = multiprocessing.Pipe(duplex=False)
        self._thread = threading.Thread(target=self._manage, name="mempress-pool", daemon=True)
        self._thread.start()

    def submit(self, function: Callable[..., Any], /, *args: Any, **keywords: Any) -> Future[Any]:
        """A future of function(*args, **keywords) in a worker.  Pickling errors are raised here."""
        payload = pickle.dumps((function, args, keywords))
        future: Future[Any] = Future()
        with self._lock:
            if self._closing:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._waiting.append((future, payload))
            self._ring.send_bytes(b"!")
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """No more calls.  cancel_futures: those that are waiting are cancelled; `cancel` ends those that are being done too."""
        with self._lock:
            already, self._closing = self._closing, True
            if cancel_futures:
                while self._waiting:
                    self._waiting.popleft()[0].cancel()
            if not already:
                self._ring.send_bytes(b"!")
        if wait and threading.current_thread() is not self._thread:
            self._thread.join()

    def cancel(self) -> None:
        """End all workers at once, whatever they are doing."""
        self._ending = True
        self.shutdown(wait=True, cancel_futures=True)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.shutdown(wait=True)
        else:
            self.cancel()

    # ---- the thread that talks with the workers

    def _start(self, shared: tuple[Work, Sequence[Any]] | None = None) -> None:
        method = start_method()
        context: Any = multiprocessing.get_context(method)
        mine, theirs = context.Pipe()
        inherited = [*self._members, mine] if method == "fork" else []
        process = context.Process(target=_worker, args=(theirs, inherited, shared if method == "fork" else None), daemon=True)
        process.start()
        theirs.close()
        self._members[mine] = _Member(process, mine)

    def _manage(self) -> None:
        try:
            while not (self._ending or (self._closing and not self._waiting and not self._doing)):
                self._feed()
                for ready in wait([self._bell, *self._members]):
                    assert isinstance(ready, Connection)
                    if ready is self._bell:
                        self._bell.recv_bytes()
                    else:
                        self._heard(ready)
        finally:
            self._end()

    def _feed(self) -> None:
        """Give every free worker a call; workers that were lost are replaced while there are calls."""
        while self._waiting and len(self._members) < self._size:
            try:
                self._start()
            except Exception as error:
                self._cannot_start(error)
        for pipe in [pipe for pipe in self._members if pipe not in self._doing]:
            with self._lock:
                while self._waiting and not self._waiting[0][0].set_running_or_notify_cancel():
                    self._waiting.popleft()
                if not self._waiting:
                    return
                future, payload = self._waiting.popleft()
            self._doing[pipe] = future
            try:
                pipe.send_bytes(payload)
            except OSError:
                self._lost(pipe)

    def _cannot_start(self, error: Exception) -> None:
        """Go on with the workers that there are; without any, nothing more can be done."""
        self._size = len(self._members)
        with self._lock:
            lost = [] if self._members else [future for future, _ in self._waiting]
            if lost:
                self._waiting.clear()
                self._closing = True
        for future in lost:
            if future.set_running_or_notify_cancel():
                future.set_exception(WorkerDied(f"no worker can be started: {error}"))

    def _heard(self, pipe: Connection) -> None:
        """Take one message of a worker."""
        try:
            kind, value = pipe.recv()
        except (EOFError, OSError):
            self._lost(pipe)
            return
        except Exception as error:  # its bytes came, and cannot be made an object again
            kind, value = _DONE, (False, error)
        future = self._doing[pipe]
        if kind == _PROGRESS:
            self.latest[future] = Progress(*value)
            return
        del self._doing[pipe]
        self._feed()  # before anybody looks at this result: the worker need not wait for that
        self.latest.pop(future, None)
        if kind == _UNSENT:
            future.set_exception(WorkerDied(value))
        elif value[0]:
            future.set_result(value[1])
        else:
            future.set_exception(value[1])

    def _lost(self, pipe: Connection) -> None:
        """A worker has ended, and its call has failed."""
        process, future = self._members.pop(pipe).process, self._doing.pop(pipe, None)
        process.join()
        pipe.close()
        code = process.exitcode
        cause = f"signal {-code}, {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit status {code}"
        hint = "; the machine may be out of memory, try fewer --jobs" if code == -signal.SIGKILL else ""
        if future is not None:
            self.latest.pop(future, None)
            future.set_exception(WorkerDied(f"its worker process died ({cause}{hint})"))

    def _end(self) -> None:
        members = list(self._members.values())
        for member in members:
            member.pipe.close()
        for member in members:
            if self._ending:
                member.process.terminate()
            member.process.join()
        for future in self._doing.values():
            future.set_exception(CancelledError())
        self._doing.clear()


# ---------------------------------------------------------------- jobs over an executor


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
            inline = Inline(lambda p, n=number: hear(n, p))  # type: ignore[misc]
            yield Done(number, _result(number, inline.submit(attempt, work, job)))
        return
    pool = Pool(wanted, (work, jobs))
    try:
        yield from _over(pool, work, jobs, AHEAD * wanted, hear)
    finally:
        pool.cancel()


def _over(pool: Pool, work: Work, jobs: Sequence[Any], most: int, hear: Callable[[int, Progress], None]) -> Iterator[Done]:
    """At most so many jobs are handed over at once: unless the workers were forked with them, each is a copy in memory."""
    futures: dict[Future[Any], int] = {}
    following = 0
    while futures or following < len(jobs):
        while following < len(jobs) and len(futures) < most:
            call = pool.submit(_numbered, following) if pool.forked else pool.submit(attempt, work, jobs[following])
            futures[call] = following
            following += 1
        done, _ = wait_for(futures, LOOK_EVERY_S, FIRST_COMPLETED)
        for future, progress in list(pool.latest.items()):
            if future in futures:
                hear(futures[future], progress)
        for future in sorted(done, key=lambda f: futures[f]):
            number = futures.pop(future)
            yield Done(number, _result(number, future))


def _result(number: int, future: Future[Any]) -> Any:
    """What a job returned, or its error with its number."""
    try:
        kind, value = future.result()
    except WorkerDied as error:
        raise JobError(number, str(error)) from None
    if kind == USER_ERROR:
        raise JobUserError(number, *value)
    if kind == FAILURE:
        raise JobError(number, *value)
    return value
