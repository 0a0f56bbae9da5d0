"""The differences between a baseline and the other sides, metric by metric, each with a verdict.

Replications of runs with the same seed share their random numbers (common random numbers), so replication i of one is compared with
replication i of the other; runs with different seeds are compared as independent samples (Welch).  Where a side stands for several
cases, its value in replication i is the mean over them, so that the replications, and nothing else, are the sample.

The verdicts (docs/compare.md says what each means):
    real        adjusted p below 1 - confidence, the interval excludes 0, and some of it lies beyond what matters
    negligible  the same, but the whole interval lies inside what matters
    same        no difference shown, and the whole interval lies inside what matters
    unclear     no difference shown, and one that matters cannot be ruled out
    identical   the same value in every replication
    constant    the same difference in every replication: no variance, so no interval
    single      fewer than two replications in common: nothing can be said
    absent      one of the two has no such figure
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Literal, NamedTuple

from sim.compare.settings import settings_of
from sim.compare.sources import Document, Side
from sim.errors import UserError
from sim.metrics import KEY_METRICS, describe, ordered
from sim.statistics import t_quantile
from sim.statistics.intervals import Interval, mean_interval
from sim.statistics.multiple import holm
from sim.statistics.paired import Paired, compare_independent, compare_pairs

Verdict = Literal["real", "negligible", "same", "unclear", "identical", "constant", "single", "absent"]
Values = Sequence[float | None]

POWER = 0.8  # how often a difference that is there should be seen, where a number of replications is named
MOST_NEEDED = 100_000
SPREAD = 1e-12  # of the values: differences that vary by less vary by rounding alone


class Difference(NamedTuple):
    """One metric of one side against the baseline.

    a, b         values by replication (of pairs: by pair), None where absent
    first, second  their means with intervals, None without a value
    found        what sim.statistics says of b - a; None for the verdicts single and absent
    paired       whether replication i was compared with replication i
    adjusted     p after Holm's correction over all differences of the call
    better       whether b is better (True), worse (False); None if neither or unknown
    visible      the relative difference in % that these replications would show in POWER of all cases
    needed       replications that it would take to show what matters as often; None if that cannot be said
    """

    metric: str
    side: str
    baseline: str
    a: Values
    b: Values
    first: Interval | None
    second: Interval | None
    found: Paired | None
    paired: bool
    verdict: Verdict
    adjusted: float | None = None
    better: bool | None = None
    visible: float | None = None
    needed: int | None = None

    @property
    def gap(self) -> float:
        """Mean difference, 0 where there is none."""
        estimate = self.found.difference.estimate if self.found is not None else None
        return 0.0 if estimate is None else estimate

    @property
    def n(self) -> int:
        """Replications that were compared; of independent runs the smaller number."""
        if self.paired:
            return sum(x is not None and y is not None for x, y in zip(self.a, self.b, strict=True))
        return min(_present(self.a), _present(self.b))


class Result(NamedTuple):
    """All differences, side by side (others in the order given), with what must be said about them.

    notes      one sentence each: versions, seeds, numbers of replications
    settings   key -> its value on each side (None: several), baseline first, for what differs between the configurations
    """

    sides: list[Side]
    metrics: list[str]
    differences: list[Difference]
    confidence: float
    matters: float
    notes: list[str]
    settings: dict[str, list[str]]
    by: str = ""

    def of(self, side: str) -> list[Difference]:
        return [one for one in self.differences if one.side == side]


def compare(
    sides: Sequence[Side],
    metrics: Sequence[str] = (),
    every: bool = False,
    confidence: float = 0.95,
    matters: float = 1.0,
    across_versions: bool = False,
    by: str = "",
) -> Result:
    """Compare every side with the first.

    metrics  which ones; none: the key metrics that any side has, or with `every` all that there are
    matters  relative differences below so many % do not matter
    Errors: UserError for a metric that no side has and for results of different versions.
    """
    notes = _versions(sides, across_versions)
    wanted = _metrics(sides, metrics, every)
    notes += [note for side in sides[1:] for note in _replications(sides[0], side)]
    raw = [_difference(metric, sides[0], side, confidence) for side in sides[1:] for metric in wanted]
    adjusted = holm([_p_of(one) for one in raw])
    judged = [_judged(one._replace(adjusted=p), confidence, matters) for one, p in zip(raw, adjusted, strict=True)]
    return Result(list(sides), wanted, judged, confidence, matters, list(dict.fromkeys(notes)), settings_of(sides), by)


# ---------------------------------------------------------------- what is compared


def _versions(sides: Sequence[Side], across: bool) -> list[str]:
    found = {run["version"]: side.full for side in sides for run in side.runs}
    if len(found) < 2:
        return []
    said = ", ".join(f"{name}: {version}" for version, name in found.items())
    if not across:
        raise UserError(
            f"results of different versions are not compared, since the simulator itself may be what differs ({said}); "
            "simulate the older ones again, or see what changed with --across-versions"
        )
    return [f"the results are of different versions of mempress ({said}): a difference may be the simulator's"]


def _metrics(sides: Sequence[Side], wanted: Sequence[str], every: bool) -> list[str]:
    there = {name for side in sides for run in side.runs for name, scalar in run["scalars"].items() if scalar.get("mean") is not None}
    for name in wanted:
        if name not in there:
            from sim.config.problems import nearest

            hint = nearest(name, there)
            raise UserError(f"--metric {name}: none of the runs has it{f'; {hint}' if hint else ''} (--all shows all that there are)")
    if wanted:
        return list(dict.fromkeys(wanted))
    return ordered(there) if every else [name for name in KEY_METRICS if name in there]


def same_seed(first: Side, second: Side) -> bool:
    """Whether replication i of all runs of both used the same random numbers, pair by pair."""
    pairs = zip(first.runs, second.runs, strict=True)
    return all(a["config"].get("seed") == b["config"].get("seed") for a, b in pairs)


def _replications(first: Side, second: Side) -> list[str]:
    """What to say of the numbers of replications and the seeds of two sides."""
    counts = [sorted({run["replications"] for run in side.runs}) for side in (first, second)]
    if not same_seed(first, second):
        return [f"{second.name} and {first.name} have different seeds, so their replications are independent samples (Welch's test)"]
    both = {*counts[0], *counts[1]}
    if len(both) > 1:
        return [f"{second.name} and {first.name} have {min(both)} replications in common (of up to {max(both)}); only these are compared"]
    return []


def values_of(side: Side, metric: str) -> list[float | None]:
    """One value a replication: the run's, or the mean over the side's runs; absent where one of them has none."""
    columns = [run["scalars"].get(metric, {}).get("values") or [] for run in side.runs]
    length = min(len(column) for column in columns)
    rows = ([column[k] for column in columns] for k in range(length))
    return [None if any(value is None for value in row) else math.fsum(row) / len(row) for row in rows]


def _kept(first: Side, second: Side, metric: str) -> tuple[Side, Side]:
    """Of sides with several runs each, the pairs of runs that both have the metric."""
    if len(first.runs) == 1:
        return first, second

    def has(run: Document) -> bool:
        return run["scalars"].get(metric, {}).get("mean") is not None

    pairs = [(a, b) for a, b in zip(first.runs, second.runs, strict=True) if has(a) and has(b)]
    if not pairs:
        return first, second
    return first._replace(runs=[a for a, _ in pairs]), second._replace(runs=[b for _, b in pairs])


# ---------------------------------------------------------------- one difference


def _difference(metric: str, first: Side, second: Side, confidence: float) -> Difference:
    """Everything but the verdict where there is an interval."""
    first, second = _kept(first, second, metric)
    paired = same_seed(first, second)
    a, b = values_of(first, metric), values_of(second, metric)
    if paired:
        n = min(len(a), len(b))
        a, b = a[:n], b[:n]
    one = Difference(metric, second.name, first.name, a, b, _mean(a, confidence), _mean(b, confidence), None, paired, "single")
    if not _present(a) or not _present(b):
        return one._replace(verdict="absent")
    if one.n < 2:
        return one
    found = compare_pairs(a, b, confidence) if paired else compare_independent(a, b, confidence)
    return one._replace(found=found, verdict=_degenerate(one) or "unclear")


def _p_of(one: Difference) -> float | None:
    """p for Holm's correction: a difference without variance was not tested, and must not make it easier for the others."""
    if one.found is None:
        return None
    return 1.0 if one.verdict in ("identical", "constant") else one.found.p_value


def _present(values: Values) -> int:
    return sum(value is not None for value in values)


def _mean(values: Values, confidence: float) -> Interval | None:
    present = [value for value in values if value is not None]
    return mean_interval(present, confidence) if present else None


def _degenerate(one: Difference) -> Verdict | None:
    """identical or constant, if the differences (of independent runs: the values) do not vary."""
    if one.paired:
        pairs = [(x, y) for x, y in zip(one.a, one.b, strict=True) if x is not None and y is not None]
        differences = [y - x for x, y in pairs]
        largest = max(abs(value) for pair in pairs for value in pair)
        if all(difference == 0 for difference in differences):
            return "identical"
        return "constant" if max(differences) - min(differences) <= SPREAD * largest else None
    a, b = ({value for value in values if value is not None} for values in (one.a, one.b))
    if len(a) > 1 or len(b) > 1:
        return None
    return "identical" if a == b else "constant"


def _judged(one: Difference, confidence: float, matters: float) -> Difference:
    """With verdict, direction, and what more replications would show."""
    found = one.found
    if found is None or one.verdict == "identical":
        return one
    gap = found.difference
    higher_is = describe(one.metric).higher_is
    if one.verdict == "constant":
        return one._replace(adjusted=None, better=_better(one.gap, higher_is))
    shown = one.adjusted is not None and one.adjusted < 1 - confidence and excludes(gap, 0.0)
    small = found.relative is not None and inside(found.relative, matters)
    if shown:
        return one._replace(verdict="negligible") if small else one._replace(verdict="real", better=_better(one.gap, higher_is))
    visible, needed = _power(one, confidence, matters)
    return one._replace(verdict="same" if small else "unclear", visible=visible, needed=needed)


def _better(gap: float, higher_is: str) -> bool | None:
    return (gap > 0) == (higher_is == "better") if higher_is and gap else None


def excludes(interval: Interval, value: float) -> bool:
    low, high = interval.low, interval.high
    return low is not None and high is not None and not low <= value <= high


def inside(interval: Interval, limit: float) -> bool:
    low, high = interval.low, interval.high
    return low is not None and high is not None and -limit < low and high < limit


def _power(one: Difference, confidence: float, matters: float) -> tuple[float | None, int | None]:
    """(difference in % that these replications would show with probability POWER, replications to show `matters` % as often).

    The usual normal approximation with Guenther's correction for the t test (Guenther 1981, The American Statistician 35:243);
    the spread is that of these replications, so both are rough, and they are for one comparison: Holm's correction asks for more.
    """
    mean = abs(one.first.estimate or 0.0) if one.first is not None else 0.0
    if mean == 0.0:
        return None, None
    if one.paired:
        spread, groups = _sd([y - x for x, y in zip(one.a, one.b, strict=True) if x is not None and y is not None]), 1
    else:
        spread, groups = math.hypot(*(_sd([v for v in values if v is not None]) for values in (one.a, one.b))), 2
    normal = NormalDist()
    tails, power = normal.inv_cdf(0.5 + confidence / 2), normal.inv_cdf(POWER)
    target = matters / 100 * mean
    needed = math.ceil(((tails + power) * spread / target) ** 2 + tails**2 / (2 * groups)) if target > 0 else MOST_NEEDED + 1
    freedom = one.n - 1 if one.paired else 2 * (one.n - 1)
    reach = t_quantile(freedom, confidence) + t_quantile(freedom, 2 * POWER - 1)
    return 100 * reach * spread / math.sqrt(one.n) / mean, max(needed, one.n + 1)


def _sd(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
