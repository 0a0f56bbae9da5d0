"""Simulations on a Dask cluster (extra `[dask]`: https://distributed.dask.org).

Everything goes through the client: configurations to the workers, results back.  Dask gives the work of a worker that is gone to another
one, and starts new workers where it has nannies.  Input files that a worker does not find where the configuration names them are sent to
it, so that no file system need be shared; mempress itself, of the same version, must be installed there.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Executor, Future
from pathlib import Path
from typing import Any

from sim.errors import UserError
from sim.experiment.case import Answer, Unit, do_unit
from sim.experiment.inputs import Inputs, relocated, with_contents
from sim.experiment.place import Place
from sim.results import version
from sim.workers import AHEAD, USER_ERROR, cores

WAIT_S = 30  # for the first worker
_LOCAL = re.compile(r"local(?::(\d+))?")


@contextlib.contextmanager
def open_cluster(where: str, jobs: int | None, inputs: Sequence[Path]) -> Iterator[Place]:
    """A place on the cluster at `where` ("local", "local:N", an address, or a scheduler file).  UserError if it cannot be used."""
    distributed = _distributed()
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(_client(distributed, where, jobs, stack))
        try:
            client.wait_for_workers(1, timeout=WAIT_S)
        except TimeoutError:
            raise UserError(f"--cluster {where}: the scheduler has no worker after {WAIT_S} s; start one: dask worker ADDRESS") from None
        _same_version(client, where)
        files = with_contents(inputs)
        client.register_plugin(_plugin(distributed, files), name="mempress-inputs")
        executor = stack.enter_context(_Cluster(client))
        slots = max(1, sum(client.nthreads().values()))
        gone = (CancelledError, distributed.client.FutureCancelledError, distributed.comm.CommClosedError)
        yield Place(executor, AHEAD * (min(slots, jobs) if jobs else slots), {}, [], gone)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise UserError("--cluster needs Dask: pip install 'mempress[dask]'") from None
    return distributed


def _client(distributed: Any, where: str, jobs: int | None, stack: contextlib.ExitStack) -> Any:
    local = _LOCAL.fullmatch(where)
    if local:
        workers = int(local[1] or jobs or cores())
        if workers < 1:
            raise UserError(f"--cluster {where}: at least one worker is needed")
        cluster = distributed.LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None)
        return distributed.Client(stack.enter_context(cluster))
    try:
        if os.path.exists(where):
            return distributed.Client(scheduler_file=where, timeout=WAIT_S)
        if "://" not in where:
            raise UserError(f"--cluster {where}: expected tcp://HOST:PORT, the name of a scheduler file, local or local:WORKERS")
        return distributed.Client(where, timeout=WAIT_S)
    except (OSError, TimeoutError, ValueError) as error:
        raise UserError(f"--cluster {where}: no scheduler answers there: {error}; start one: dask scheduler") from None


def _worker_version() -> str:
    """Runs on a worker."""
    return version()


def _same_version(client: Any, where: str) -> None:
    """Results of another version would have the wrong ID."""
    mine = version()
    try:
        found: Mapping[str, str] = client.run(_worker_version)
    except Exception as error:  # whatever an import there may say
        raise UserError(
            f"--cluster {where}: mempress cannot be used on its workers ({type(error).__name__}: {error}); install it there"
        ) from None
    for worker, theirs in found.items():
        if theirs != mine:
            raise UserError(f"--cluster {where}: worker {worker} has mempress {theirs}, and this is {mine}; install the same on both")


# ---------------------------------------------------------------- calls


def _plugin(distributed: Any, inputs: Inputs) -> Any:
    """What Dask runs on each worker when it starts: also on those that come later."""

    class SettleInputs(distributed.WorkerPlugin):  # type: ignore[misc]
        name = "mempress-inputs"

        def setup(self, worker: Any) -> None:
            worker.mempress_inputs = inputs.settle(os.path.join(worker.local_directory, "mempress-inputs"))

    return SettleInputs()


def do_unit_there(unit: Unit) -> Answer:
    """Runs on a worker: a unit whose input files are where this worker has them."""
    from distributed import get_worker

    places = getattr(get_worker(), "mempress_inputs", {})
    missing = [str(path) for path in unit.config.input_files() if str(path) not in places]
    if missing:
        text = f"{missing[0]}: is not there on the worker, and is too large to be sent; put it on a file system that both share"
        return Answer(USER_ERROR, (text, ""), 0.0)
    return do_unit(unit._replace(config=relocated(unit.config, places)))


class _Cluster(Executor):
    """Dask's own executor, but units find their input files, and what is under way is cancelled when we leave early."""

    def __init__(self, client: Any) -> None:
        self._inner = client.get_executor(pure=False, retries=0)

    def submit(self, function: Any, /, *args: Any, **keywords: Any) -> Future[Any]:
        there = do_unit_there if function is do_unit else function
        found: Future[Any] = self._inner.submit(there, *args, **keywords)
        return found

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._inner.shutdown(wait=wait and not cancel_futures)  # without waiting, it cancels

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.shutdown(wait=kind is None, cancel_futures=kind is not None)
