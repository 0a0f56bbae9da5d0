"""What is wrong with a configuration's files, with positions, until all of it is raised as one UserError."""

from __future__ import annotations

from collections.abc import Iterable

from sim.config.problems import Problem
from sim.config.tree import Node, Where, locate
from sim.errors import UserError


class Report:
    """Problems with their positions, each once."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self.lines: dict[tuple[Where, str], None] = {}
        self._said: set[tuple[Where, str]] = set()  # without the case

    def add(self, where: Where, text: str) -> None:
        self.lines[(where, text)] = None

    def problems(self, root: Node, problems: Iterable[Problem], case: str = "") -> None:
        for problem in problems:
            where = locate(root, problem.path, problem.at_key)[0]
            if (where, problem.text()) not in self._said:
                self._said.add((where, problem.text()))
                self.add(where, problem.text() + (f" (in the case {case})" if case else ""))

    def raise_if_any(self) -> None:
        if not self.lines:
            return

        def place(item: tuple[Where, str]) -> tuple[int, int, int]:
            where = item[0]
            return (self.files.index(where.file) if where.file in self.files else len(self.files), where.line, where.column)

        raise UserError("\n".join(_line(where, text) for where, text in sorted(self.lines, key=place)))


def _line(where: Where, text: str) -> str:
    """Position and problem; `--set a.b: a.b: ...` says the key once."""
    return f"{where}: " + text.removeprefix(where.file.removeprefix("--set ") + ": ")
