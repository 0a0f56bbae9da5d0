"""Differences in words.  What each sentence promises stands in docs/compare.md."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sim.compare.figures import MOST_NEEDED, POWER, Difference, Result, excludes
from sim.metrics import describe
from sim.statistics.intervals import Interval

MARKS = {
    "real": "real",
    "negligible": "too little to matter",
    "same": "the same",
    "unclear": "not shown",
    "identical": "identical",
    "constant": "constant",
    "single": "one replication",
    "absent": "absent",
}
POINTS = ("%", "% of time")  # differences of these are percentage points


def number(value: float, significant: int = 3) -> str:
    """Few digits, no exponent, no zeros at the end of a fraction."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "–"
    decimals = max(0, significant - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{min(decimals, 12)}f}".replace(",", "\u202f" if abs(value) >= 10_000 else "")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _share(value: float) -> str:
    return number(value, 2)


def unit_of(metric: str) -> str:
    """The unit of a difference of the metric, with a space before it."""
    unit = describe(metric).unit
    if unit in POINTS:
        return " points"
    return f" {unit}" if unit and unit != "ratio" else ""


def verdict_word(one: Difference) -> str:
    """The verdict in a word or two, as in a table."""
    if one.verdict in ("real", "constant") and one.better is not None:
        word = "better" if one.better else "worse"
        return word if one.verdict == "real" else f"{word}, constant"
    if one.verdict == "real":
        return "more" if one.gap > 0 else "less"
    return MARKS[one.verdict]


def sentence(one: Difference, confidence: float, matters: float) -> str:
    """What is known of one difference."""
    have = "needs" if describe(one.metric).unit == "s" else "has"
    b, a, metric = one.side, one.baseline, one.metric
    if one.verdict == "absent":
        return _absent(one)
    if one.verdict == "single":
        return f"{metric}: {_values(one)}; one replication in common shows no spread, so nothing can be said"
    assert one.found is not None
    gap = one.found.difference
    if one.verdict == "identical":
        return f"{metric}: identical in all {one.n} replications"
    if one.verdict == "constant":
        if not one.paired:
            return f"{metric}: {_values(one)} in every replication; variance zero, so no interval"
        exactly = f"{_signed(one.gap)}{unit_of(metric)}"
        return f"{b} differs in {metric} by exactly {exactly} in every replication; variance zero, so no interval"
    if one.verdict == "real":
        direction = "" if one.better is None else ", better" if one.better else ", worse"
        return f"{b} {have} {_amount(one)} than {a} {_range(one)}: real{direction}"
    if one.verdict == "negligible":
        size = _share(abs(one.found.relative.estimate or 0.0)) if one.found.relative is not None else "0"
        return f"{metric}: {b} differs from {a}, but by too little to matter ({size} %)"
    if excludes(gap, 0.0):
        among = f"not shown to be real among all that is compared here (adjusted p {one.adjusted:.2g}); more replications would tell"
        return f"{b} {have} {_amount(one)} than {a} {_range(one)}, which is {among}"
    if one.verdict == "same":
        return f"{metric}: the same to within {_share(matters)} %; no difference that these {one.n} replications could show"
    return f"{metric}: no difference that these {one.n} replications could show{_hope(one, confidence, matters)}"


def _absent(one: Difference) -> str:
    if one.first is None and one.second is None:
        return f"{one.metric}: neither {one.side} nor {one.baseline} has it in the cases compared"
    has, lacks = (one.baseline, one.side) if one.second is None else (one.side, one.baseline)
    return f"{one.metric}: only {has} has it; there is nothing to measure in {lacks}"


def _values(one: Difference) -> str:
    a, b = (number(interval.estimate or 0.0, 4) if interval is not None else "–" for interval in (one.first, one.second))
    unit = describe(one.metric).unit
    return f"{a} with {one.baseline}, {b} with {one.side}{f' ({unit})' if unit else ''}"


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else '−' if value < 0 else ''}{number(abs(value), 4)}"


def _relative(one: Difference) -> Interval | None:
    """The relative difference, where it says the same as the absolute one and is easier to read."""
    found = one.found
    if found is None or found.relative is None or describe(one.metric).unit in POINTS:
        return None
    return found.relative if found.relative.estimate is not None and excludes(found.relative, 0.0) else None


def _amount(one: Difference) -> str:
    """`12 % less run_time`."""
    assert one.found is not None
    relative = _relative(one)
    more = "more" if one.gap > 0 else "less"
    size = f"{_share(abs(relative.estimate or 0.0))} %" if relative is not None else f"{number(abs(one.gap))}{unit_of(one.metric)}"
    return f"{size} {more} {one.metric}"


def _range(one: Difference) -> str:
    assert one.found is not None
    relative = _relative(one)
    interval = relative if relative is not None else one.found.difference
    unit = " %" if relative is not None else unit_of(one.metric)
    low, high = sorted(abs(end) for end in (interval.low, interval.high) if end is not None)
    text = _share if relative is not None else number
    return f"({text(low)} to {text(high)}{unit})"


def _hope(one: Difference, confidence: float, matters: float) -> str:
    """What these replications would have shown, and how many would show what matters."""
    if one.visible is None or one.needed is None:
        return ""
    would = f"; they would show one of {_share(one.visible)} % {10 * POWER:.0f} times in 10"
    if one.visible <= matters:
        return would
    many = f"about {_about(one.needed)}" if one.needed <= MOST_NEEDED else f"more than {number(MOST_NEEDED)}"
    return f"{would}; it would take {many} to see {_share(matters)} %"


def _about(count: int) -> str:
    """Two digits are more than the estimate is worth."""
    size = 10 ** max(0, len(str(count)) - 2)
    return number(float(-(-count // size) * size))


# ---------------------------------------------------------------- all of them


def summary(result: Result, side: str) -> str:
    """One sentence for one side against the baseline."""
    found = result.of(side)
    baseline = result.sides[0].name
    better = [one for one in found if one.verdict == "real" and one.better]
    worse = [one for one in found if one.verdict == "real" and one.better is False]
    other = [one for one in found if one.verdict == "real" and one.better is None]
    parts = [
        f"{word} in {_named(group)}"
        for word, group in (("better", better), ("worse", worse), ("different (neither better nor worse)", other))
        if group
    ]
    rest = [
        f"{count} {words}"
        for verdict, words in (
            ("constant", "with a constant difference"),
            ("negligible", "with too little difference to matter"),
            ("same", "the same"),
            ("unclear", "where no difference is shown"),
            ("identical", "identical"),
            ("single", "with one replication, which says nothing"),
            ("absent", "that only one has"),
        )
        if (count := sum(one.verdict == verdict for one in found))
    ]
    head = "; ".join(parts) if parts else "no difference is shown to be real"
    return f"{side} against {baseline}: {head}{'; of the others, ' if parts and rest else '; ' if rest else ''}{', '.join(rest)}."


def _named(group: Sequence[Difference], most: int = 4) -> str:
    names = ", ".join(f"{one.metric} ({_size(one)})" for one in group[:most])
    return names + (f" and {len(group) - most} more" if len(group) > most else "")


def _size(one: Difference) -> str:
    assert one.found is not None
    relative = _relative(one)
    sign = "+" if one.gap > 0 else "−"
    if relative is not None:
        return f"{sign}{_share(abs(relative.estimate or 0.0))} %"
    return f"{sign}{number(abs(one.gap))}{unit_of(one.metric)}"


def method(result: Result) -> str:
    """How it was done, in a sentence or two."""
    count = sum(one.found is not None for one in result.differences)
    percent = number(100 * result.confidence)
    return (
        f"Intervals are {percent} %; p is adjusted by Holm's method for the {count} differences compared here. "
        f"A difference is called real if its adjusted p is below {number(1 - result.confidence)}; "
        f"below {number(result.matters)} % it does not matter."
    )
