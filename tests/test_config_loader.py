"""The strict YAML reader: what scalars mean, where errors point, and that nothing but a UserError ever comes out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sim
from sim.config.loader import Notes, parse, read_text, scalar
from sim.config.tree import plain
from sim.errors import UserError


def read(text: str) -> tuple[object, list[str]]:
    notes = Notes()
    node = parse(text, "f.yaml", "", notes)
    return (None if node is None else plain(node)), [f"{where}: {note}" for where, note in notes]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e3", 1000.0),
        ("1E3", 1000.0),
        ("-1.5e-3", -0.0015),
        (".5", 0.5),
        ("1.", 1.0),
        ("0", 0),
        ("-0", 0),
        ("+7", 7),
        ("12", 12),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
    ],
)
def test_scalars_with_a_meaning(text: str, value: object) -> None:
    found = scalar(text)
    assert found == value
    assert isinstance(found, type(value)) and isinstance(found, bool) == isinstance(value, bool)


TEXTS = """010 0o10 0x10 0b1 1_000 1,000 12:30:45 12:30 yes no on off Yes NO True FALSE y n Null
.inf -.inf .nan 2001-01-01 1e 1e+ . - + 1.2.3 00 01.5 = <<"""


@pytest.mark.parametrize(
    "text",
    TEXTS.split(),
)
def test_scalars_that_stay_text(text: str) -> None:
    assert scalar(text) == text
    if text not in ("-", "="):
        assert read(f"a: {text}\n")[0] == {"a": text}


def test_quotes_make_text() -> None:
    assert read("{a: '1', b: \"true\", c: ''}")[0] == {"a": "1", "b": "true", "c": ""}


def test_keys_are_text() -> None:
    assert read("{1: a, no: b, true: c, 1e3: d, ~: e}")[0] == {"1": "a", "no": "b", "true": "c", "1e3": "d", "~": "e"}


def test_duplicate_keys_all_reported() -> None:
    value, notes = read("a: 1\nb: {x: 1, x: 2}\na: 3\n")
    assert notes == [
        "f.yaml:2:11: found the key 'x' a second time; expected it once (it stands at line 2 too)",
        "f.yaml:3:1: found the key 'a' a second time; expected it once (it stands at line 1 too)",
    ]
    assert value == {"a": 1, "b": {"x": 1}}


def test_anchors_and_aliases() -> None:
    assert read("a: &x {k: [1, 2]}\nb: *x\n") == ({"a": {"k": [1, 2]}, "b": {"k": [1, 2]}}, [])


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("a: !foo 1", "f.yaml:1:4: found the tag '!foo'; expected a plain value: tags are not allowed"),
        ("a: !!str 1", "f.yaml:1:4: found the tag 'tag:yaml.org,2002:str'; expected a plain value: tags are not allowed"),
        ("a: &b {}\nc: {<<: *b}", "f.yaml:2:5: found the merge key <<; expected a plain key: use `extends: FILE` to build on another file"),
        ("? [1]\n: 2", "f.yaml:1:3: found a list as a key; expected text"),
    ],
)
def test_notes(text: str, note: str) -> None:
    assert read(text)[1] == [note]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {b: 1", "f.yaml:2:1: this is not YAML: did not find expected ',' or '}' (while parsing a flow mapping); the text ends there"),
        ("a: 'x", "f.yaml:1:6: this is not YAML: found unexpected end of stream (while scanning a quoted scalar); the text ends there"),
        ("a:\n\tb: 1", "f.yaml:2:1: this is not YAML: found character that cannot start any token"),
        ("a: b: c", "f.yaml:1:5: this is not YAML: mapping values are not allowed in this context"),
        ("a: \x01", "f.yaml:1:4: this is not YAML: control characters are not allowed"),
        ("a: &b [*b]", "f.yaml:1:8: found the alias *b inside its own value"),
        ("a: *b", "f.yaml:1:4: found the alias *b; expected one of the anchors before it"),
        ("a: 1\n---\nb: 2", "f.yaml:2:1: found a second document (---); expected one"),
        ("[" * 60, "f.yaml:1:52: found more than 50 levels inside each other"),
    ],
)
def test_what_is_no_yaml(text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        read(text)
    assert str(caught.value).startswith(message)


def test_tabs_get_a_hint() -> None:
    with pytest.raises(UserError, match="indented with spaces"):
        read("a:\n\tb: 1")


def test_aliases_that_explode() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(UserError, match=r"f\.yaml:6:.*more than 1,000,000 values"):
        read("\n".join(lines))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "c.yaml: is empty"),
        (b"# only a comment\n", "c.yaml: is empty"),
        (b"---\n...\n", "c.yaml: is empty"),
        (b"\x7fELF\x00\x01\x02", "c.yaml: this is a binary file"),
        ("name: x".encode("utf-16"), "c.yaml: this is a binary file (or UTF-16)"),
        (b"name: ok\nseed: \xff\xfe", "c.yaml:2:7: byte 0xff is not UTF-8"),
        (b"just text", "c.yaml:1:1: found 'just text'; expected a mapping"),
        (b"- 1\n- 2\n", "c.yaml:1:1: found a list; expected a mapping"),
        (b"5", "c.yaml:1:1: found 5; expected a mapping"),
    ],
)
def test_files_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_bytes(data)
    with pytest.raises(UserError) as caught:
        sim.load("c.yaml")
    assert str(caught.value).startswith(message)


def test_missing_file_names_the_nearest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("quickstart.yaml").write_text("name: x")
    with pytest.raises(UserError, match=r"^quickstat\.yaml: there is no such file; did you mean quickstart\.yaml\?$"):
        sim.load("quickstat.yaml")
    with pytest.raises(UserError, match="this is a folder"):
        sim.load(".")
    with pytest.raises(UserError, match="cannot be read: Not a directory"):
        sim.load("quickstart.yaml/x")


def test_special_file_is_refused() -> None:
    if not os.path.exists("/dev/zero"):
        pytest.skip("no /dev/zero here")
    with pytest.raises(UserError, match="no regular file"):
        sim.load("/dev/zero")


def test_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "secret.yaml"
    path.write_text("name: x")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read every file")
    with pytest.raises(UserError, match="cannot be read: Permission denied"):
        sim.load(path)


def test_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: x\n")
    assert read_text(path, "bom.yaml") == "name: x\n"


FRAGMENTS = st.sampled_from(
    [
        "name: x\n",
        "machine: ",
        "{memory: 1MiB}\n",
        "  - ",
        "&a ",
        "*a",
        "[",
        "]",
        "{",
        "}",
        ": ",
        ", ",
        "\n",
        "sweep: ",
        "grid: ",
        "'",
        '"',
        "|",
        "\t",
        "!!int ",
        "---\n",
        "workloads:\n",
        "kind: zipf\n",
        "backend: zcache\n",
        "1e9999",
        "\x85",
        "é",
    ]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=60)
    | st.text(max_size=60).map(lambda t: t.encode("utf-8", "surrogatepass"))
    | st.lists(FRAGMENTS, max_size=15).map(lambda f: "".join(f).encode())
)
def test_only_user_errors(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "any.yaml"
    path.write_bytes(data)
    try:
        sim.load(path)
    except UserError as error:
        assert "any.yaml" in str(error)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=40) | st.from_regex(r"[a-z.0-9]{1,20}=[\[\]{}a-z0-9:, ]{0,20}", fullmatch=True))
def test_only_user_errors_from_set(tmp_path: Path, text: str) -> None:
    path = tmp_path / "good.yaml"
    path.write_text("{name: x, machine: {memory: 64MiB}, workloads: [{name: a, kind: loop}]}")
    try:
        assert sim.load(path, [text]).cases
    except UserError as error:
        assert str(error).startswith("--set ")
