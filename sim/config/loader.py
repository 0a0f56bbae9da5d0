"""Strict YAML: text to a tree with positions, and nothing that a reader of the file would not expect.

Numbers are decimal (`1e3` is 1000.0); `010`, `12:30:45`, `0x10`, `1_000`, `yes` and `no` are text; only `true` and `false`
are booleans, `null`, `~` and nothing are null.  Keys are text.  Duplicate keys, tags, several documents, aliases to
themselves and aliases that grow without bounds are errors.  The tree is built from the parser's events.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from sim.config.problems import show
from sim.config.tree import Node, Where
from sim.config.values import Written
from sim.errors import UserError

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)", re.ASCII)
_FLOAT = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?", re.ASCII)
_CONSTANTS = {"": None, "~": None, "null": None, "true": True, "false": False}
_DEEPEST, _MOST_NODES, _MOST_BYTES, _LONGEST_NUMBER = 50, 1_000_000, 16 << 20, 40


class Notes(list[tuple[Where, str]]):
    """Problems found while reading, each with its position."""

    def add(self, where: Where, text: str) -> None:
        self.append((where, text))


def scalar(text: str) -> Any:
    """A plain (unquoted) scalar's value by the rules above."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if len(text) <= _LONGEST_NUMBER:
        if _INT.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            return Written(text)
    return text


class _Builder:
    """Builds one document's tree from parser events."""

    def __init__(self, file: str, folder: str, notes: Notes) -> None:
        self.file, self.folder, self.notes = file, folder, notes
        self.anchors: dict[str, tuple[Node, int] | None] = {}  # None while the anchored value is still open
        self.nodes = 0

    def where(self, mark: Any) -> Where:
        if not self.file.startswith("--set"):
            return Where(self.file, mark.line + 1, mark.column + 1, self.folder)
        return Where(self.file, folder=self.folder)

    def stop(self, event: Any, text: str) -> UserError:
        return UserError(f"{self.where(event.start_mark)}: {text}")

    def build(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        """The node that starts with `event`."""
        where = self.where(event.start_mark)
        if depth > _DEEPEST:
            raise self.stop(event, f"found more than {_DEEPEST} levels inside each other")
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event)
        if event.tag is not None:
            self.notes.add(where, f"found the tag {show(event.tag)}; expected a plain value: tags are not allowed")
        before = self.nodes
        self.count(event, 1)
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            node = Node(scalar(event.value) if not event.style else event.value, where)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = Node(self.items(events, depth), where)
        else:
            node = self.mapping(where, events, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = (node, self.nodes - before)
        return node

    def count(self, event: Any, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > _MOST_NODES:
            raise self.stop(event, f"found more than {_MOST_NODES:,} values (aliases counted each time); that is no configuration")

    def alias(self, event: Any) -> Node:
        if event.anchor not in self.anchors:
            raise self.stop(event, f"found the alias *{event.anchor}; expected one of the anchors before it")
        known = self.anchors[event.anchor]
        if known is None:
            raise self.stop(event, f"found the alias *{event.anchor} inside its own value")
        self.count(event, known[1])
        return known[0]

    def items(self, events: Iterator[Any], depth: int) -> list[Node]:
        found = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            found.append(self.build(event, events, depth + 1))
        return found

    def mapping(self, where: Where, events: Iterator[Any], depth: int) -> Node:
        children: dict[str, Node] = {}
        keys: dict[str, Where] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            at = self.where(event.start_mark)
            key_node = self.build(event, events, depth + 1)
            child = self.build(next(events), events, depth + 1)
            if isinstance(key_node.value, (dict, list)):
                self.notes.add(at, f"found {show(key_node.value)} as a key; expected text")
                continue
            key = event.value if isinstance(event, yaml.ScalarEvent) else str(key_node.value)
            if key == "<<":
                self.notes.add(at, "found the merge key <<; expected a plain key: use `extends: FILE` to build on another file")
            elif key in children:
                self.notes.add(at, f"found the key {show(key)} a second time; expected it once (it stands at line {keys[key].line} too)")
            else:
                children[key], keys[key] = child, at
        return Node(children, where, keys)


def parse(text: str, file: str, folder: str, notes: Notes) -> Node | None:
    """The tree of one YAML document; None if it holds nothing.

    file: name for messages; a name that starts with `--set` has no lines.  folder: where relative paths start.
    Raises UserError for text that is not YAML; adds to `notes` what is wrong but does not end the reading.
    """
    builder = _Builder(file, folder, notes)
    try:
        events = iter(yaml.parse(text, Loader=_LOADER))
        found: Node | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if found is not None:
                    raise builder.stop(event, "found a second document (---); expected one")
                found = builder.build(next(events), events, 0)
        return found
    except yaml.YAMLError as error:
        raise UserError(_syntax(error, file, text)) from None
    except (UnicodeError, RecursionError, StopIteration):
        raise UserError(f"{file}: found something that is no YAML text") from None


def _syntax(error: yaml.YAMLError, file: str, text: str) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    said = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be parsed"
    context = getattr(error, "context", None)
    where = file
    if mark is not None and not file.startswith("--set"):
        where = f"{file}:{mark.line + 1}:{mark.column + 1}"
    elif (position := getattr(error, "position", None)) is not None and not file.startswith("--set"):
        before = text.encode("utf-8", "replace")[:position].decode("utf-8", "replace")
        where = f"{file}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
    hint = ""
    if mark is not None and mark.index >= len(text.rstrip()):
        hint = "; the text ends there: is it cut short?"
    elif mark is not None and text[mark.index : mark.index + 1] == "\t":
        hint = "; YAML is indented with spaces, not with tabs"
    return f"{where}: this is not YAML: {said}{f' ({context})' if context else ''}{hint}"


def read_text(path: Path, shown: str) -> str:
    """A file's text.  Raises UserError, which names the file as `shown`, whatever is wrong with it."""
    try:
        if path.is_dir():
            raise UserError(f"{shown}: this is a folder; expected a YAML file")
        if path.exists() and not path.is_file():
            raise UserError(f"{shown}: this is no regular file; expected a YAML file")
        with path.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        raise UserError(f"{shown}: there is no such file{_similar(path, shown)}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{shown}: cannot be read: {reason}") from None
    if len(data) > _MOST_BYTES:
        raise UserError(f"{shown}: is larger than {_MOST_BYTES >> 20} MiB; that is no configuration")
    if b"\0" in data:
        raise UserError(f"{shown}: this is a binary file (or UTF-16); expected YAML text in UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        raise UserError(f"{shown}:{line}:{column}: byte 0x{data[error.start]:02x} is not UTF-8; expected YAML text in UTF-8") from None


def _similar(path: Path, shown: str) -> str:
    import difflib

    try:
        names = os.listdir(path.parent)
    except OSError:
        return ""
    close = difflib.get_close_matches(path.name, names, n=1)
    return f"; did you mean {shown[: len(shown) - len(path.name)]}{close[0]}?" if close else ""
