"""What a report must say that its figures do not: limits of the model, each with the runs that it concerns.

Data, so that all pages say the same; the evidence stands in docs/model.md and docs/pagecache.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

Document = Mapping[str, Any]


class Limit(NamedTuple):
    """One limit, and which runs it applies to."""

    text: str
    applies: Callable[[Document], bool]


def _always(run: Document) -> bool:
    return True


def _mean(run: Document, metric: str) -> float:
    return float((run["scalars"].get(metric) or {}).get("mean") or 0.0)


def _swaps(run: Document) -> bool:
    return any(_mean(run, name) > 0 for name in ("pswpin_rate", "pswpout_rate", "stored_pages", "pgscan_anon_rate"))


def _files(run: Document) -> bool:
    return any(_mean(run, name) > 0 for name in ("file_pages", "file_pages_read", "file_pages_written"))


def _mapped_and_swap(run: Document) -> bool:
    return _mean(run, "mapped_pages") > 0 and _swaps(run)


def _direct(run: Document) -> bool:
    return _mean(run, "direct_share") > 0 or _mean(run, "allocstall") > 0


def _few_stalls(run: Document) -> bool:
    return 0 < _mean(run, "allocstall") < 20


def _kind(run: Document) -> str:
    backend = run["config"].get("backend") or {}
    return str(backend.get("kind", "none")) if isinstance(backend, Mapping) else str(backend)


def _killed(run: Document) -> bool:
    return _mean(run, "oom_kill") > 0


def _several_cpus(run: Document) -> bool:
    return int((run["config"].get("machine") or {}).get("cpus") or 1) > 1


LIMITS: tuple[Limit, ...] = (
    Limit(
        "Simulated time is computed from a table of costs, not measured: compare runs with each other, and take the absolute times as "
        "those of the machine that the costs describe.",
        _always,
    ),
    Limit("Caches, TLBs and memory bandwidth are not modelled; an access to a mapped page always costs the same.", _always),
    Limit("A workload's accesses are given beforehand: a real program that waits longer may do something else.", _always),
    Limit(
        "The split between kswapd and direct reclaim is not matched: beside a real kernel the model has about half of the direct scans "
        "(docs/model.md). The sum of both agrees within 3 %.",
        _direct,
    ),
    Limit("These runs have a handful of allocation stalls each: rest no conclusion on their number, length or direct share.", _few_stalls),
    Limit(
        "Swap beside mapped files is off: in the run compared with a real kernel the model had 15 % fewer faults, 44 % fewer "
        "refaults of files and 37 % fewer pages read (docs/pagecache.md).",
        _mapped_and_swap,
    ),
    Limit(
        "File systems' journals, metadata and block allocation are not modelled, and all files lie on one device (docs/pagecache.md).",
        _files,
    ),
    Limit(
        "zcache as a whole was not compared with a running kernel: its allocators agree with the original sources page by page, the rest "
        "follows the source of Linux 3.1.",
        lambda run: _kind(run) == "zcache",
    ),
    Limit(
        "Several CPUs were not compared with a real kernel, and contention for locks is not modelled.",
        _several_cpus,
    ),
    Limit("A task that is killed for want of memory gives it back in the same instant; in a real kernel that takes time.", _killed),
    Limit("The intervals cover what differs between replications (the random numbers), not what the model leaves out.", _always),
)


def limits_of(runs: Sequence[Document] | Iterable[Document]) -> list[str]:
    """The limits that apply to any of the runs."""
    documents = list(runs)
    return [limit.text for limit in LIMITS if any(limit.applies(run) for run in documents)]
