"""What a trace is like: reuse distances, working sets, popularity, pages used once, writes, sizes, sequential runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np

from models.cache.mattson import count_distances, new_stack
from models.cache.statistics import DISTINCT as IN_WINDOW
from models.cache.statistics import ONCE, runs, step_of, used_once, working_sets
from sim.cachesim.pictures import COLOURS, MUTED, logarithmic, save, style
from sim.cachesim.tasks import Task, Tick, chunks, run_all
from sim.cachesim.trace import Trace
from sim.progress import Reporter

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
WINDOWS = 10
FIT_USES, FIT_PAGES, FIT_POINTS = 10, 10, 200


class Fit(NamedTuple):
    """uses ~ rank^-slope: least squares of log uses on log rank.

    The points are evenly apart on the logarithmic axis of ranks, so that the few popular pages count as much as the many others, and go as
    far as pages have FIT_USES uses: below that a page's uses say little about how popular it is.
    """

    slope: float
    intercept: float
    r2: float
    pages: int


class Statistics(NamedTuple):
    """Figures of a trace; absent columns of the trace are None.

    reuse      uses by octave of their distance: [k] at distances 2^k to 2^(k+1) - 1, the page itself counted; first uses are in none
    quantiles  distances, by share of the uses that are not first
    working    (window, mean number of distinct pages in it)
    uses       uses of each page, descending
    windows    (distinct pages, of these used once) in each tenth of the trace
    """

    requests: int
    distinct: int
    reuse: list[int]
    quantiles: dict[float, int]
    working: list[tuple[int, float]]
    uses: np.ndarray
    fit: Fit | None
    windows: list[tuple[int, int]]
    writes: int | None
    bytes: int | None
    duration_ns: int | None
    step: int | None
    sequential: tuple[int, int, int] | None

    @property
    def used_once(self) -> int:
        return int(np.count_nonzero(self.uses == 1))

    def top(self, share: float) -> float:
        """Share of the requests that go to the most popular pages, so large a share of them."""
        return float(self.uses[: max(1, round(share * self.distinct))].sum() / self.requests)

    @property
    def once_in_windows(self) -> float:
        """Share of a window's pages that are used once in it; the mean over the windows."""
        return float(np.mean([once / pages for pages, once in self.windows if pages]))


def statistics(trace: Trace, jobs: int = 1, reporter: Reporter | None = None) -> Statistics:
    """All figures; several passes beside each other."""
    ids, distinct = trace.ids, trace.distinct
    works: list[Callable[[], Any]] = [
        partial(working_sets, ids, distinct),
        partial(used_once, ids, distinct, WINDOWS),
        partial(_uses, ids, distinct),
        partial(_sequential, trace),
    ]
    tasks: list[Task[Any]] = [
        Task(len(ids), partial(_distances, ids, distinct)),
        *(Task(len(ids), partial(_whole, work)) for work in works),
    ]
    found, working, windows, uses, (step, sequential) = run_all(tasks, jobs, reporter, trace.name)
    return Statistics(
        len(ids),
        distinct,
        _octaves(found),
        _quantiles(found),
        working,
        uses,
        zipf_fit(uses),
        [(int(pages), int(once)) for pages, once in zip(windows[IN_WINDOW], windows[ONCE], strict=True)],
        None if trace.write is None else int(np.count_nonzero(trace.write)),
        None if trace.size is None else int(trace.size.sum()),
        None if trace.time is None else int(trace.time[-1] - trace.time[0]),
        step,
        sequential,
    )


def _whole(work: Callable[[], Any], tick: Tick) -> Any:
    return work()


def _distances(ids: np.ndarray, distinct: int, tick: Tick) -> np.ndarray:
    found, stack = np.zeros(distinct + 1, np.int64), new_stack(distinct)
    for begin, end in chunks(len(ids)):
        count_distances(ids[begin:end], found, *stack)
        tick(end - begin)
    return found


def _uses(ids: np.ndarray, distinct: int) -> np.ndarray:
    return np.sort(np.bincount(ids, minlength=distinct))[::-1]


def _sequential(trace: Trace) -> tuple[int | None, tuple[int, int, int] | None]:
    if trace.keys is None:
        return None, None
    step = step_of(trace.keys)
    return step, runs(trace.ids, trace.keys, step)


def _octaves(found: np.ndarray) -> list[int]:
    """found: uses at each distance."""
    edges = [1 << k for k in range(len(found).bit_length()) if 1 << k < len(found)]
    return [int(n) for n in np.add.reduceat(found, edges)] if edges else []


def _quantiles(found: np.ndarray) -> dict[float, int]:
    reuses = np.cumsum(found[1:])
    if not len(reuses) or not reuses[-1]:
        return {}
    return {share: int(np.searchsorted(reuses, share * reuses[-1])) + 1 for share in QUANTILES}


def zipf_fit(uses: np.ndarray) -> Fit | None:
    """Of the uses of pages, descending; None with fewer than FIT_PAGES pages to fit, or if all are used alike."""
    pages = int(np.count_nonzero(uses >= FIT_USES))
    if pages < FIT_PAGES:
        return None
    ranks = np.unique(np.round(np.geomspace(1, pages, FIT_POINTS)).astype(np.int64))
    x, y = np.log(ranks), np.log(uses[ranks - 1])
    if y[0] == y[-1]:
        return Fit(0.0, float(y[0]), 1.0, pages)
    slope, intercept = np.polyfit(x, y, 1)
    spread, rest = np.sum((y - y.mean()) ** 2), np.sum((y - intercept - slope * x) ** 2)
    return Fit(-float(slope), float(intercept), 1 - float(rest / spread), pages)


def document(s: Statistics) -> dict[str, Any]:
    """The figures as JSON has them."""
    found: dict[str, Any] = {
        "requests": s.requests,
        "distinct": s.distinct,
        "first_uses": s.distinct,
        "reuse_distance": {
            "uses_by_octave": [{"from": 1 << k, "to": (2 << k) - 1, "uses": n} for k, n in enumerate(s.reuse)],
            "quantiles": {f"{share:g}": distance for share, distance in s.quantiles.items()},
        },
        "working_set": [{"window": window, "mean_pages": mean} for window, mean in s.working],
        "popularity": {
            "most_used": int(s.uses[0]),
            "top_1_percent": s.top(0.01),
            "top_10_percent": s.top(0.1),
            "zipf": None if s.fit is None else s.fit._asdict(),
        },
        "used_once": {
            "pages": s.used_once,
            "share": s.used_once / s.distinct,
            "share_in_tenths": s.once_in_windows,
            "tenths": [{"pages": pages, "used_once": once} for pages, once in s.windows],
        },
        "writes": s.writes,
        "bytes": s.bytes,
        "duration_ns": s.duration_ns,
        "sequential": None,
    }
    if s.sequential is not None:
        pairs, number, longest = s.sequential
        found["sequential"] = {
            "step": s.step,
            "share": pairs / s.requests,
            "runs": number,
            "mean_run": s.requests / number,
            "longest_run": longest,
        }
    return found


def write_statistics(s: Statistics, name: str, trace_format: str, out: TextIO) -> None:
    """Tables for people."""
    print(f"{name} ({trace_format}): {s.requests} requests, {s.distinct} distinct pages\n", file=out)
    lines = _lines(s)
    wide = max(len(label) for label, _ in lines)
    for label, text in lines:
        print(f"{label:<{wide}}  {text}", file=out)
    print("\nreuse distance   uses       share  up to here", file=out)
    reuses, so_far = max(sum(s.reuse), 1), 0
    for k, n in enumerate(s.reuse):
        so_far += n
        print(f"{f'{1 << k} to {(2 << k) - 1}' if k else '1':<15}  {n:<9}  {n / reuses:.4f}  {so_far / reuses:.4f}", file=out)
    print("\nwindow (requests)  mean distinct pages in it", file=out)
    for window, mean in s.working:
        print(f"{window:<17}  {mean:.1f}", file=out)


def _lines(s: Statistics) -> list[tuple[str, str]]:
    """(label, text) of the figures that are one line."""
    lines = [("first uses", f"{s.distinct} ({s.distinct / s.requests:.1%} of the requests)")]
    if s.quantiles:
        lines.append(("reuse distance", ", ".join(f"{share:.0%} up to {distance}" for share, distance in s.quantiles.items())))
    lines.append(
        ("most used page", f"{int(s.uses[0])} uses; the top 1 % of pages have {s.top(0.01):.1%} of the requests, 10 % {s.top(0.1):.1%}")
    )
    lines.append(("popularity", _fit_text(s.fit)))
    lines.append(
        ("used once", f"{s.used_once} pages ({s.used_once / s.distinct:.1%}); in a tenth of the trace {s.once_in_windows:.1%} of its pages")
    )
    if s.sequential is not None:
        pairs, number, longest = s.sequential
        apart = "" if s.step == 1 else f", {s.step} apart"
        lines.append(("sequential", f"{pairs / s.requests:.1%} of the requests follow their neighbour{apart}"))
        lines.append(("runs", f"{s.requests / number:.2f} requests in the mean, the longest {longest}"))
    if s.writes is not None:
        lines.append(("writes", f"{s.writes} ({s.writes / s.requests:.1%}), reads {s.requests - s.writes}"))
    if s.bytes is not None:
        lines.append(("bytes", f"{s.bytes}, {s.bytes / s.requests:.1f} a request"))
    if s.duration_ns is not None:
        lines.append(("duration", f"{s.duration_ns / 1e9:g} s"))
    return lines


def _fit_text(fit: Fit | None) -> str:
    if fit is None:
        return f"no fit: fewer than {FIT_PAGES} pages with {FIT_USES} uses"
    return f"uses ~ rank^-{fit.slope:.3f} (Zipf; r2 {fit.r2:.4f}, over the {fit.pages} pages with {FIT_USES} uses or more)"


def plot_statistics(s: Statistics, path: Path, title: str) -> None:
    """Four panels: reuse distances, working sets, popularity, pages used once."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(style()):
        figure = Figure(figsize=(9.0, 6.4), layout="constrained")
        reuse, working, popular, once = figure.subplots(2, 2).flat
        _plot_reuse(reuse, s)
        _plot_working(working, s)
        _plot_popularity(popular, s)
        _plot_once(once, s)
        figure.suptitle(title, fontsize=10)
        save(figure, path)


def _plot_reuse(axes: Any, s: Statistics) -> None:
    edges = [1 << k for k in range(len(s.reuse) + 1)] or [1, 2]
    axes.stairs([n / s.requests for n in s.reuse] or [0], edges, fill=True, color=COLOURS[0])
    logarithmic(axes.xaxis)
    axes.set_title("Reuse distance (share of the requests)")
    axes.set_xlabel(f"distinct pages since the last use; first uses: {s.distinct / s.requests:.1%}")


def _plot_working(axes: Any, s: Statistics) -> None:
    axes.plot([w for w, _ in s.working], [mean for _, mean in s.working], marker="o", markersize=3, color=COLOURS[2])
    logarithmic(axes.xaxis)
    logarithmic(axes.yaxis)
    axes.set_title("Working set (mean distinct pages)")
    axes.set_xlabel("window (requests)")


def _plot_popularity(axes: Any, s: Statistics) -> None:
    ranks = np.unique(np.round(np.geomspace(1, s.distinct, 400)).astype(np.int64))
    axes.plot(ranks, s.uses[ranks - 1], color=COLOURS[1], label="pages")
    if s.fit is not None:
        ends = np.array([1, s.fit.pages])
        fitted = np.exp(s.fit.intercept) * ends**-s.fit.slope
        axes.plot(ends, fitted, color=MUTED, linestyle="--", linewidth=1, label=f"rank^-{s.fit.slope:.2f}")
    logarithmic(axes.xaxis)
    logarithmic(axes.yaxis)
    axes.set_title("Popularity (uses of a page)")
    axes.set_xlabel("rank of the page")
    axes.legend()


def _plot_once(axes: Any, s: Statistics) -> None:
    shares = [once / pages if pages else math.nan for pages, once in s.windows]
    axes.bar(range(1, len(shares) + 1), shares, color=COLOURS[6])
    axes.axhline(s.used_once / s.distinct, color=MUTED, linestyle="--", linewidth=1, label="of the whole trace")
    axes.set_ylim(0, 1)
    axes.set_title("Pages used once (share of the pages)")
    axes.set_xlabel("tenth of the trace")
    axes.legend()
