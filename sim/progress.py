"""What a person sees while runs are going: a bar on a terminal, a log line now and then elsewhere, nothing if quiet.

Everything goes to standard error, so that standard output stays the result.  The caller tells the reporter what happened
(`update`, `finished`, `failed`); the reporter alone decides what to print and when.
"""

from __future__ import annotations

import sys
import time
from typing import Any, NamedTuple, Protocol, TextIO

LOG_EVERY_S = 10.0
DRAW_EVERY_S = 0.1  # the bar, while runs only go on; *measured* 0.6 ms to draw it


class Progress(NamedTuple):
    """How far one replication is.

    simulated_ns  simulated time reached
    done          0 to 1: share of the operations, or of the configured duration
    events        accesses done
    """

    simulated_ns: int
    done: float
    events: int


class Reporter(Protocol):
    def start(self, title: str, runs: int) -> None: ...

    def update(self, run: int, progress: Progress) -> None: ...

    def finished(self, run: int, simulated_s: float, accesses: int) -> None: ...

    def failed(self, run: int) -> None: ...

    def note(self, text: str) -> None: ...

    def close(self) -> None: ...


class Quiet:
    """Prints nothing."""

    def start(self, title: str, runs: int) -> None:
        pass

    def update(self, run: int, progress: Progress) -> None:
        pass

    def finished(self, run: int, simulated_s: float, accesses: int) -> None:
        pass

    def failed(self, run: int) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def close(self) -> None:
        pass


class Tally:
    """Adds up the state of all runs: what both kinds of display show."""

    def __init__(self, unit: str = "accesses") -> None:
        self.unit = unit
        self.title = ""
        self.runs = 0
        self.done_runs = 0
        self.failed_runs = 0
        self.started = time.monotonic()
        self._latest: dict[int, Progress] = {}
        self._accesses = 0
        self._simulated_s = 0.0

    def start(self, title: str, runs: int) -> None:
        """From here on, this many runs; what was counted before is forgotten."""
        self.title, self.runs, self.started = title, runs, time.monotonic()
        self.done_runs = self.failed_runs = self._accesses = 0
        self._simulated_s = 0.0
        self._latest.clear()

    def update(self, run: int, progress: Progress) -> None:
        self._latest[run] = progress

    def finished(self, run: int, simulated_s: float, accesses: int) -> None:
        self._latest.pop(run, None)
        self.done_runs += 1
        self._accesses += accesses
        self._simulated_s += simulated_s

    def failed(self, run: int) -> None:
        """A run is over without a result; what it simulated still counts in the rate."""
        last = self._latest.pop(run, Progress(0, 0.0, 0))
        self.failed_runs += 1
        self._accesses += last.events
        self._simulated_s += last.simulated_ns / 1e9

    @property
    def fraction(self) -> float:
        going = sum(min(max(p.done, 0.0), 1.0) for p in self._latest.values())
        return (self.done_runs + self.failed_runs + going) / self.runs if self.runs else 0.0

    @property
    def accesses(self) -> int:
        return self._accesses + sum(p.events for p in self._latest.values())

    @property
    def simulated_s(self) -> float:
        return self._simulated_s + sum(p.simulated_ns for p in self._latest.values()) / 1e9

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self.started

    @property
    def left_s(self) -> float | None:
        """Real time left, None while too little is done to say."""
        fraction = self.fraction
        return self.elapsed_s * (1.0 - fraction) / fraction if fraction > 0.005 else None

    def text(self) -> str:
        rate = self.accesses / self.elapsed_s if self.elapsed_s > 0 else 0.0
        simulated = f"{self.simulated_s:.1f} s simulated, " if self.unit == "accesses" else ""
        failed = f"{self.failed_runs} failed, " if self.failed_runs else ""
        return f"{self.done_runs} of {self.runs} runs, {failed}{simulated}{si(rate)} {self.unit}/s"


def si(value: float) -> str:
    """1234567 -> "1.2 M"."""
    for factor, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= factor:
            return f"{value / factor:.1f}{letter}"
    return f"{value:.0f}"


def duration(seconds: float | None) -> str:
    """Seconds as a person says them."""
    if seconds is None:
        return "?"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


class Log:
    """One plain line every LOG_EVERY_S seconds."""

    def __init__(self, stream: TextIO, every_s: float = LOG_EVERY_S, unit: str = "accesses") -> None:
        self._stream, self._every_s = stream, every_s
        self._tally = Tally(unit)
        self._last = 0.0

    def _line(self, text: str) -> None:
        print(f"mempress: {text}", file=self._stream, flush=True)

    def _now_and_then(self) -> None:
        now = time.monotonic()
        if now - self._last < self._every_s:
            return
        self._last = now
        share = f"{self._tally.fraction:.0%}"
        self._line(f"{self._tally.title}: {share}, {self._tally.text()}, about {duration(self._tally.left_s)} left")

    def start(self, title: str, runs: int) -> None:
        self._tally.start(title, runs)
        self._last = time.monotonic()

    def update(self, run: int, progress: Progress) -> None:
        self._tally.update(run, progress)
        self._now_and_then()

    def finished(self, run: int, simulated_s: float, accesses: int) -> None:
        self._tally.finished(run, simulated_s, accesses)
        self._now_and_then()

    def failed(self, run: int) -> None:
        self._tally.failed(run)
        self._now_and_then()

    def note(self, text: str) -> None:
        self._line(text)

    def close(self) -> None:
        pass


class Bar:
    """A rich progress bar; starts with the first event, so that a fork before that meets no thread of ours."""

    def __init__(self, stream: TextIO, unit: str = "accesses") -> None:
        self._stream = stream
        self._tally = Tally(unit)
        self._drawn = 0.0
        self._bar: Any = None
        self._task: Any = None

    def _shown(self) -> Any:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as RichProgress

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f} %"),
                TextColumn("{task.fields[state]}", style="dim"),
            )
            self._bar = RichProgress(*columns, console=Console(file=self._stream), transient=True, auto_refresh=False)
            self._task = self._bar.add_task(self._tally.title, total=1.0, state="")
            self._bar.start()
        return self._bar

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        state = f"{self._tally.text()}, {duration(self._tally.left_s)} left"
        self._shown().update(self._task, description=self._tally.title, completed=self._tally.fraction, state=state, refresh=True)

    def start(self, title: str, runs: int) -> None:
        self._tally.start(title, runs)
        self._draw()

    def update(self, run: int, progress: Progress) -> None:
        self._tally.update(run, progress)
        if time.monotonic() - self._drawn >= DRAW_EVERY_S:
            self._draw()

    def finished(self, run: int, simulated_s: float, accesses: int) -> None:
        self._tally.finished(run, simulated_s, accesses)
        self._draw()

    def failed(self, run: int) -> None:
        self._tally.failed(run)
        self._draw()

    def note(self, text: str) -> None:
        self._shown().console.print(f"mempress: {text}", markup=False, highlight=False)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def reporter(quiet: bool = False, stream: TextIO | None = None, unit: str = "accesses") -> Reporter:
    """The right kind of display for where standard error goes; `unit` is what is counted a second."""
    if quiet:
        return Quiet()
    stream = stream or sys.stderr
    return Bar(stream, unit) if stream.isatty() else Log(stream, unit=unit)
