"""From a file and `--set` to a configuration of the bench; errors as for every other configuration."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from sim.bench.schema import BenchConfig
from sim.config.load import is_bench, origin_of, read
from sim.config.problems import problems_of
from sim.config.report import Report
from sim.config.tree import Node, plain
from sim.errors import UserError


@dataclass(frozen=True)
class LoadedBench:
    """A configuration of the bench that has been read.

    origin  dotted key -> where its value comes from: "file:line", "--set KEY" or "default"
    files   the configuration files that were read, in order
    """

    config: BenchConfig
    origin: dict[str, str]
    files: list[str]


def load(path: str | os.PathLike[str], sets: Sequence[str] = ()) -> LoadedBench:
    """Read a configuration of the bench, with everything it extends.  Raises UserError with every problem on a line of its own."""
    root, report, _ = read(path, sets)
    if "machine" in root.value and not is_bench(root):
        where = root.keys["machine"]
        raise UserError(f"{where}: machine: found a configuration of a VM; expected one of the allocators' bench; use mempress run")
    return build(root, report)


def build(root: Node, report: Report) -> LoadedBench:
    """Validate a whole tree."""
    config = None
    try:
        config = BenchConfig.model_validate(plain(root), context={"yaml": True})
    except ValidationError as error:
        report.problems(root, problems_of(error))
    report.raise_if_any()
    assert config is not None
    return LoadedBench(config, origin_of(config, root), report.files)
