"""Quantiles of a histogram, and the share of its values above each edge."""

from __future__ import annotations

import math
from collections.abc import Sequence


def quantile_of_histogram(edges: Sequence[float], counts: Sequence[int], q: float) -> float:
    """The q-quantile (0 <= q <= 1) of a histogram of n counts between n + 1 edges; NaN if it is empty.

    Values are taken as spread evenly inside their bin, so the answer is off by less than the width of one bin.
    """
    if len(edges) != len(counts) + 1:
        raise ValueError(f"{len(counts)} counts need {len(counts) + 1} edges, not {len(edges)}")
    if not 0.0 <= q <= 1.0:
        raise ValueError(f"a quantile lies between 0 and 1, not at {q}")
    total = sum(counts)
    if total == 0:
        return math.nan
    wanted = q * total
    below = 0
    last = 0
    for i, count in enumerate(counts):
        if count == 0:
            continue
        last = i
        if below + count >= wanted:
            return edges[i] + (edges[i + 1] - edges[i]) * (wanted - below) / count
        below += count
    return edges[last + 1]


def survival(edges: Sequence[float], counts: Sequence[int]) -> tuple[list[float], list[float]]:
    """Share of the values above each edge: (edges, shares), from 1 down to 0; empty lists for an empty histogram."""
    total = sum(counts)
    if total == 0:
        return [], []
    left = total
    shares = [1.0]
    for count in counts:
        left -= count
        shares.append(left / total)
    return list(edges), shares
