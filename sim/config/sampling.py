"""Random values of swept keys: points of the unit cube, and what they mean in the units of a key.

Every key has a random stream of its own, so that adding one leaves the values of the others (Sobol points are made together).
Values are rounded, so that the last digits of a machine's logarithm never show: sizes to 4 KiB where both ends are multiples of it and
to bytes where not, whole numbers to ones, times and other numbers to six digits.  Source: scipy.stats.qmc.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

from models.registry import Option
from sim import units
from sim.config.tree import Node, Where

if TYPE_CHECKING:
    import numpy as np

METHODS = ("random", "lhs", "sobol")
_PAGE = 4096
_DIGITS = 6


class Spread(NamedTuple):
    """Where the values of a key lie: `choices`, or numbers from `low` to `high` in model units.

    step  of a key that takes only low + k * step, 0 for any value
    log   equally likely in equal ratios
    at    where the range stands
    """

    option: Option
    at: Where
    choices: Sequence[Node] = ()
    low: float = 0
    high: float = 0
    step: float = 0
    log: bool = False


def natural_step(option: Option, low: float, high: float) -> float:
    """The step of a key that was given none; 0 for times and numbers."""
    if option.type == "size":
        return _PAGE if low % _PAGE == 0 and high % _PAGE == 0 else 1
    return 1 if option.type == "int" else 0


def _rounded(value: float, width: float) -> float:
    """To six digits of the value, or of the range where that is finer."""
    size = min(abs(value), width)
    return round(value, _DIGITS - 1 - math.floor(math.log10(size))) if size > 0 else value


def number_at(spread: Spread, u: float) -> float:
    """The number of a range at 0 <= u < 1.  Whole numbers are equally likely, the ends too (or in equal ratios)."""
    low, high, step = spread.low, spread.high, spread.step
    if not step:
        value = _between(low, high, spread.log, u)
        return min(max(_rounded(value, high - low), low), high)
    count = math.floor((high - low) / step + 1e-9) + 1
    steps = u * count if not spread.log else (_between(low, low + count * step, True, u) - low) / step
    k = min(max(int(steps), 0), count - 1)
    value = low + k * step
    return value if isinstance(value, int) else min(float(f"{value:.12g}"), high)


def _between(low: float, high: float, log: bool, u: float) -> float:
    if log:
        return math.exp(math.log(low) + u * (math.log(high) - math.log(low)))
    return low + u * (high - low)


def node_at(spread: Spread, u: float) -> Node:
    """The value at u, as one would write it."""
    if spread.choices:
        return spread.choices[min(int(u * len(spread.choices)), len(spread.choices) - 1)]
    value: Any = number_at(spread, u)
    if spread.option.type == "size":
        value = units.format_size(int(value))
    elif spread.option.type == "time":
        value = units.format_time(int(value))
    return Node(value if spread.option.type != "int" else int(value), spread.at)


def cube(method: str, samples: int, keys: Sequence[str], seed: int) -> np.ndarray[Any, Any]:
    """`samples` points in [0, 1)^keys, shape (samples, keys); method: one of METHODS."""
    import numpy as np

    def generator(*names: str) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=[crc32(name.encode()) for name in (f"sweep.{method}", *names)]))

    if method == "random":
        return np.column_stack([generator(key).random(samples) for key in keys])
    from scipy.stats import qmc

    stream = "rng" if "rng" in inspect.signature(qmc.Sobol.__init__).parameters else "seed"  # the name since SciPy 1.15
    if method == "lhs":
        return np.column_stack([qmc.LatinHypercube(1, **{stream: generator(key)}).random(samples)[:, 0] for key in keys])
    with warnings.catch_warnings():  # that the number is no power of two is said in our own words
        warnings.simplefilter("ignore", UserWarning)
        return np.asarray(qmc.Sobol(len(keys), scramble=True, **{stream: generator()}).random(samples))


def note_of(method: str, samples: int) -> str:
    """What a person should know about the number of samples, or ""."""
    if method == "sobol" and samples & (samples - 1):
        lower = 1 << (samples.bit_length() - 1)
        return f"sweep.sobol.samples: {samples} is no power of two, so the points are not balanced; {lower} or {2 * lower} would be"
    return ""
