"""Where simulations are done: in this process, in worker processes, or on a Dask cluster; always behind an Executor."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any, NamedTuple

from sim.progress import Progress
from sim.workers import AHEAD, Inline, Pool, cores


class Place(NamedTuple):
    """An executor, how many calls it should be given at once, and what it knows of their progress.

    hear  set by whoever gives calls: called with the progress of the call that is being done in this very process
    gone  errors of a call that say that the whole place is lost
    """

    executor: Executor
    most: int
    latest: Mapping[Future[Any], Progress]
    hear: list[Callable[[Progress], None]]
    gone: tuple[type[BaseException], ...] = ()


@contextlib.contextmanager
def open_place(cluster: str | None, jobs: int | None, calls: int, inputs: Sequence[Path] = ()) -> Iterator[Place]:
    """The place that the user asked for.  What is being done there ends when the block is left by an exception.

    cluster  None: this machine; "local", "local:N", "tcp://...", or the name of a scheduler file: Dask
    jobs     worker processes at most, default one a core
    calls    how many there are to be
    inputs   files that the calls read
    """
    if cluster is not None:
        from sim.experiment.dask import open_cluster

        with open_cluster(cluster, jobs, inputs) as place:
            yield place
        return
    workers = min(jobs or cores(), calls)
    if workers <= 1:
        hear: list[Callable[[Progress], None]] = []
        gc.freeze()  # what is there stays: the collection after each simulation (do_unit) then takes 2 ms instead of 70
        try:
            yield Place(Inline(lambda progress: hear[-1](progress) if hear else None), 1, {}, hear)
        finally:
            gc.unfreeze()
        return
    with Pool(workers) as pool:
        yield Place(pool, AHEAD * workers, pool.latest, [])
