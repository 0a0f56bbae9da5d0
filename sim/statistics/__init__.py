"""Statistics: what a run's results are made with, and what comparisons, reports and experiments stand on.

The names here are those that every run needs, and they import nothing but the standard library.  The rest is imported from its own
module, which needs NumPy: `intervals`, `paired`, `multiple`, `batches`, `warmup`, `sequential` (docs/statistics.md says which is for what).
"""

from __future__ import annotations

from sim.statistics.histograms import quantile_of_histogram, survival
from sim.statistics.summary import CONFIDENCE, Summary, summarise, t_quantile

__all__ = ["CONFIDENCE", "Summary", "quantile_of_histogram", "summarise", "survival", "t_quantile"]
