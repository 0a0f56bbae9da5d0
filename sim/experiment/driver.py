"""Gives an executor the replications of many cases, and yields each case as soon as it is complete.

A case with a fixed number of replications needs that many.  One with a precision (`replications: {metric: ..., half_width: ...}`) begins
with the least number and gets more until sim.statistics.stop_at says that it has enough: a rule that looks at the values in the order of
the replications, so that workers that run ahead change nothing.  A case that fails is over; the others go on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path

from sim.errors import UserError
from sim.experiment.case import Answer, Case, Failure, Finished, Simulate, Unit, do_unit
from sim.experiment.kept import Kept
from sim.experiment.place import Place
from sim.progress import Progress, Reporter
from sim.results import Replication
from sim.statistics.sequential import needed, stop_at
from sim.workers import FAILURE, LOOK_EVERY_S, RESULT, USER_ERROR, WorkerDied


class _Going:
    """A case that is not over."""

    def __init__(self, case: Case, there: dict[int, Replication]) -> None:
        self.case = case
        self.there = there
        self.failures: list[Failure] = []
        self.asked: set[int] = set(there)  # replications that are there or under way
        self.flying = 0
        self.seconds = 0.0
        precision = case.config.precision
        self.wanted: int = precision.least if precision else case.config.most_replications

    def missing(self) -> list[int]:
        """Replications to ask for."""
        return [] if self.failures else [number for number in range(self.wanted) if number not in self.asked]

    def complete(self, step: int) -> list[Replication] | None:
        """Its replications, if these are enough; else None, and `wanted` has grown by `step` at most, beyond what is there."""
        precision = self.case.config.precision
        while all(number in self.there for number in range(self.wanted)):
            if precision is None:
                return [self.there[number] for number in range(self.wanted)]
            values = [self.there[number].scalars.get(precision.metric) for number in range(self.wanted)]
            enough = stop_at(values, precision.half_width, precision.relative, precision.least, precision.most)
            if enough is not None:
                return [self.there[number] for number in range(enough)]
            guess = needed(values, precision.half_width, precision.relative) or 0
            self.wanted = min(self.wanted + max(1, min(guess - self.wanted, step)), precision.most)
        return None


class Driver:
    """One set of cases on one place."""

    def __init__(
        self, cases: Sequence[Case], simulate: Simulate, place: Place, reporter: Reporter, kept: Kept | None, check: int, trace: Path | None
    ) -> None:
        self.cases, self.simulate, self.place, self.reporter, self.kept = cases, simulate, place, reporter, kept
        self.check, self.trace = check, trace
        self.fresh = iter(cases)
        self.going: deque[_Going] = deque()  # cases with replications to ask for, the eldest first
        self.flying: dict[Future[Answer], tuple[_Going, int, int]] = {}
        self.over: list[Finished] = []
        self.runs = 0

    def run(self) -> Iterator[Finished]:
        """All cases, each when it is over."""
        while self._fill() or self.over:
            yield from self._finished()
            if self.flying:
                done, _ = wait(self.flying, LOOK_EVERY_S, FIRST_COMPLETED)
                self._tell()
                for future in sorted(done, key=lambda f: self.flying[f][2]):
                    self._take(future)
            yield from self._finished()

    def _finished(self) -> Iterator[Finished]:
        over, self.over = self.over, []
        yield from over

    def _fill(self) -> bool:
        """Keep the executor supplied; whether anything is under way."""
        while len(self.flying) < self.place.most:
            going = self._next()
            if going is None:
                break
            for number in going.missing():
                self._give(going, number)
                if len(self.flying) >= self.place.most:
                    break
            if going.missing():
                self.going.appendleft(going)
        return bool(self.flying)

    def _next(self) -> _Going | None:
        if self.going:
            return self.going.popleft()
        for case in self.fresh:
            there = self.kept.load(case.identity.id) if self.kept is not None else {}
            going = _Going(case, there)
            for replication in there.values():
                self.reporter.finished(self.runs, replication.simulated_s, replication.accesses)
                self.runs += 1
            if not self._is_over(going):
                return going
        return None

    def _give(self, going: _Going, number: int) -> None:
        run = self.runs
        self.runs += 1
        going.asked.add(number)
        going.flying += 1
        self.place.hear[:] = [lambda progress: self.reporter.update(run, progress)]
        log = self.trace if going.case is self.cases[0] and number == 0 else None
        future = self.place.executor.submit(do_unit, Unit(self.simulate, going.case.config, number, self.check, log))
        self.flying[future] = (going, number, run)

    def _tell(self) -> None:
        for future, progress in list(self.place.latest.items()):
            found = self.flying.get(future)
            if found is not None:
                self.reporter.update(found[2], Progress(*progress))

    def _take(self, future: Future[Answer]) -> None:
        """Take in how a unit ended."""
        going, number, run = self.flying.pop(future)
        going.flying -= 1
        answer = self._answer(future)
        going.seconds += answer.seconds
        if answer.kind == RESULT:
            self.reporter.finished(run, answer.value.simulated_s, answer.value.accesses)
            going.there[number] = answer.value
        else:
            self.reporter.failed(run)
            message, more = answer.value
            of_user = answer.kind == USER_ERROR
            going.failures.append(Failure(number, message, "" if of_user else more, more if of_user else "", of_user))
        over = self._is_over(going)
        if answer.kind == RESULT and self.kept is not None and (self.kept.everything or not over):
            self.kept.save(going.case.identity.id, number, answer.value)
        if not over and going.missing() and going not in self.going:
            self.going.appendleft(going)

    def _answer(self, future: Future[Answer]) -> Answer:
        try:
            return future.result()
        except self.place.gone as error:
            text = str(error) or type(error).__name__
            raise UserError(f"the cluster is gone ({text}); what is finished is kept: run the same command again to go on") from None
        except WorkerDied as error:
            return Answer(FAILURE, (str(error), ""), 0.0)
        except Exception as error:  # the executor's own: a Dask worker that died too often, a result that cannot be sent
            return Answer(FAILURE, (f"{type(error).__name__}: {error}", ""), 0.0)

    def _is_over(self, going: _Going) -> bool:
        """Whether a case is over; then it is among those to be yielded."""
        if going.failures:
            if not going.flying:
                first = min(going.failures, key=lambda failure: failure.replication)
                self.over.append(Finished(going.case, [], first, going.seconds))
            return True
        replications = going.complete(self.place.most)
        if replications is None:
            return False
        if not going.flying:
            self.over.append(Finished(going.case, replications, None, going.seconds))
        return True


def simulate_cases(
    cases: Sequence[Case],
    simulate: Simulate,
    place: Place,
    reporter: Reporter,
    kept: Kept | None = None,
    check: int = 0,
    trace: Path | None = None,
) -> Iterator[Finished]:
    """Simulate every replication of every case and yield each case as soon as it is over.

    kept   where replications of cases that are not complete are kept, and found again
    trace  event log of replication 0 of the first case
    """
    return Driver(cases, simulate, place, reporter, kept, check, trace).run()
