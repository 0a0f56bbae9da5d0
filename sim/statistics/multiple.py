"""Many comparisons at once.

Of twenty differences that are not there, one is "significant at 5 %" by chance.  Holm's procedure (Scandinavian Journal of Statistics
6, 1979) bounds the probability of even one such error in the whole family, whatever depends on what.
"""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted p-values, in the order given: below 0.05 is significant at 5 % over the whole family.

    None (nothing could be tested) stays None and does not count.  ValueError if a p-value does not lie between 0 and 1.
    """
    tested = [(p, i) for i, p in enumerate(p_values) if p is not None]
    wrong = [p for p, _ in tested if not 0.0 <= p <= 1.0]
    if wrong:
        raise ValueError(f"a p-value lies between 0 and 1; found {wrong[0]}")
    adjusted: list[float | None] = [None] * len(p_values)
    least = 0.0
    for rank, (p, i) in enumerate(sorted(tested)):
        least = max(least, min(1.0, (len(tested) - rank) * p))
        adjusted[i] = least
    return adjusted
