"""How many replications, and how much of their start is left out, where the simulations themselves decide.

`replications: {metric: pgmajfault_rate, half_width: 5%}` adds replications until the 95 % interval of the metric is narrow enough;
`warm_up: mser-5` cuts each replication's start where the series says.  Sources: A. M. Law, Simulation Modeling and Analysis, section
9.4.1 (sequential procedures for a specified precision); K. P. White, Simulation 69(6), 1997 (MSER-5).
"""

from __future__ import annotations

import re
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, model_validator

from models.vmstat import NAMES
from sim.config.parts import Key
from sim.config.problems import Problem, fail, nearest, show, wrong
from sim.config.section import CHOICE, KeyAs, Section
from sim.metrics import FAMILIES, METRICS, OWN_COLUMNS, reclaimed_parts

MSER = "mser-5"
_PERCENT = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?) ?%", re.ASCII)
_WIDTH = 'a share of the mean such as "5%", or a number above 0 in the unit of the metric'


class Precision(NamedTuple):
    """When there are enough replications.

    metric      name of a figure of run.json
    half_width  of its 95 % interval at most: a share of the mean (0.05 is 5 %) if `relative`, else in the metric's unit
    least, most replications
    """

    metric: str
    half_width: float
    relative: bool
    least: int
    most: int


def _metric(text: str) -> str:
    """A figure's name, or one of a family; whether its task or device exists is a check of the whole configuration."""
    family, _, rest = text.partition(".")
    owner, _, leaf = rest.rpartition(".")
    if text in METRICS or (owner and leaf in FAMILIES.get(family, {}) and (family != "reclaimed" or reclaimed_parts(text))):
        return text
    if family in FAMILIES:
        names = [f"{family}.{owner or 'NAME'}.{known}" for known in FAMILIES[family]]
        if family == "reclaimed":
            names = ["reclaimed.by-WHO.from-WORKLOAD." + known for known in FAMILIES[family]]
        wrong(text, "the name of a figure: " + ", ".join(names), nearest(text, names))
    wrong(text, "the name of a figure of run.json, such as pgmajfault_rate or device.disk.read_latency", nearest(text, METRICS))


def _width(value: Any) -> float | str:
    number = value
    if isinstance(value, str):
        match = _PERCENT.fullmatch(value.strip()) if len(value) < 40 else None
        if match is None:
            wrong(value, _WIDTH)
        number = float(match["number"])
        if number > 100:
            wrong(value, _WIDTH, "at most 100%")
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 < number < float("inf"):
        wrong(value, _WIDTH)
    return str(value) if isinstance(value, str) else float(value)


def _column(text: str) -> str:
    if text not in NAMES and text not in OWN_COLUMNS:
        wrong(text, "a counter of /proc/vmstat or a column of series.csv", nearest(text, [*NAMES, *OWN_COLUMNS]))
    return text


class Replications(Section):
    """As many replications as the interval of a figure needs."""

    metric: Annotated[str, Key("str", "", "name of the figure of run.json that must be known well enough"), AfterValidator(_metric)]
    half_width: Annotated[
        float | str,
        KeyAs(
            "str",
            "",
            "half of its 95 % interval at most: a share of the mean, or a number in its unit",
            CHOICE,
            read=lambda value, _context: _width(value),
            schema={
                "anyOf": [
                    {"type": "string", "pattern": f"^{_PERCENT.pattern.replace('?P<number>', '')}$"},
                    {"type": "number", "exclusiveMinimum": 0},
                ]
            },
        ),
    ] = "5%"
    least: Annotated[int, Key("int", "", "replications before the interval is looked at", CHOICE, 2, 10_000)] = 5
    most: Annotated[int, Key("int", "", "replications at most", CHOICE, 2, 10_000)] = 50

    @model_validator(mode="after")
    def _in_order(self) -> Replications:
        if self.least > self.most:
            where = "least" if "least" in self.model_fields_set else "most"
            most = f"at most `most`, which is {self.most}" if where == "least" else f"at least `least`, which is {self.least}"
            fail([Problem((where,), show(getattr(self, where)), most)])
        return self

    @property
    def precision(self) -> Precision:
        """The same in numbers."""
        text = self.half_width
        if isinstance(text, str):
            return Precision(self.metric, float(text.strip().rstrip("%")) / 100, True, self.least, self.most)
        return Precision(self.metric, text, False, self.least, self.most)


class WarmUp(Section):
    """A warm-up that each replication finds itself."""

    method: Annotated[str, Key("choice", "", "how: by the marginal standard error, in batches of five", "White 1997", choices=(MSER,))] = (
        MSER
    )
    metric: Annotated[
        str, Key("str", "", "counter of /proc/vmstat or column of series.csv whose course decides", CHOICE), AfterValidator(_column)
    ] = "pgmajfault"
