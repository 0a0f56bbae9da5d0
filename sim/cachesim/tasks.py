"""Many compiled loops at once: a thread for each core, progress, and a stop between two chunks when somebody presses Ctrl-C."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic, NamedTuple, TypeVar

from sim.progress import Progress, Quiet, Reporter

T = TypeVar("T")
CHUNK = 1 << 20  # requests between two looks at what else happens
LOOK_EVERY_S = 0.2

Tick = Callable[[int], None]


class Stopped(Exception):
    """Somebody wants the task to end."""


class Task(NamedTuple, Generic[T]):
    """requests: how many it will have reported when it is done; work(tick): calls tick(n) behind every n requests."""

    requests: int
    work: Callable[[Tick], T]


def chunks(requests: int, first: int = 0) -> Iterator[tuple[int, int]]:
    """[begin, end) of chunks that add up to all requests; `first` begins one."""
    for begin, end in ((0, first), (first, requests)):
        for at in range(begin, end, CHUNK):
            yield at, min(at + CHUNK, end)


def run_all(tasks: Sequence[Task[T]], jobs: int, reporter: Reporter | None = None, title: str = "cache") -> list[T]:
    """What the tasks return, in order.  The first that fails ends all."""
    reporter = reporter or Quiet()
    reached = [0] * len(tasks)
    stop = threading.Event()

    def tick_of(index: int) -> Tick:
        def tick(requests: int) -> None:
            reached[index] += requests
            if stop.is_set():
                raise Stopped

        return tick

    reporter.start(title, len(tasks))
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(task.work, tick_of(index)) for index, task in enumerate(tasks)]
        try:
            _watch(tasks, futures, reached, reporter)
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        finally:
            reporter.close()
    return [future.result() for future in futures]


def _watch(tasks: Sequence[Task[T]], futures: Sequence[Future[T]], reached: Sequence[int], reporter: Reporter) -> None:
    """Until all are done; raises what the first one raised that failed."""
    index = {future: k for k, future in enumerate(futures)}
    waiting = set(futures)
    while waiting:
        done, waiting = wait(waiting, LOOK_EVERY_S, FIRST_COMPLETED)
        for future in done:
            future.result()
            reporter.finished(index[future], 0.0, tasks[index[future]].requests)
        for future in waiting:
            if here := reached[index[future]]:
                reporter.update(index[future], Progress(0, here / max(tasks[index[future]].requests, 1), here))
