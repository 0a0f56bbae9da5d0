"""Sizes and times: what is read, what is refused and why, and the way back to text."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim import units

SIZES = {
    "0": 0,
    "0B": 0,
    "1B": 1,
    "4KiB": 4096,
    "160MiB": 160 * 2**20,
    "160 MiB": 160 * 2**20,
    "1.5GiB": 3 * 2**29,
    "1TiB": 2**40,
    "1PiB": 2**50,
    "1kB": 1000,
    "530MB": 530_000_000,
    "1GB": 10**9,
    "0.001kB": 1,
    "4096B": 4096,
}
TIMES = {
    "0": 0,
    "0s": 0,
    "1ns": 1,
    "30us": 30_000,
    "30µs": 30_000,
    "30μs": 30_000,
    "1.5ms": 1_500_000,
    "60s": 60 * 10**9,
    "2min": 120 * 10**9,
    "1h": 3600 * 10**9,
    "0.5us": 500,
}


@pytest.mark.parametrize(("text", "value"), SIZES.items())
def test_size(text: str, value: int) -> None:
    assert units.parse_size(text) == value


@pytest.mark.parametrize(("text", "value"), TIMES.items())
def test_time(text: str, value: int) -> None:
    assert units.parse_time(text) == value


@pytest.mark.parametrize(
    ("text", "hint"),
    {
        "160": "a number needs a unit",
        "1.5": "a number needs a unit",
        "1KB": "kB is 1000 bytes, KiB is 1024",
        "1M": "MB is 1000^2 bytes, MiB is 1024^2",
        "1mib": "did you mean MiB?",
        "1GIB": "did you mean GiB?",
        "1xB": "units are B, KiB",
        "0.1KiB": "not a whole number of bytes",
        "-1MiB": "cannot be negative",
        "9000000TiB": "more than 9223372036854775807",
        "": "",
        "MiB": "",
        "1e3MiB": "",
        "1  MiB": "",
        "1,5MiB": "",
        "0x10MiB": "",
        "1MiB2": "",
        "١MiB": "",
        "9" * 10_000 + "MiB": "",
    }.items(),
)
def test_size_refused(text: str, hint: str) -> None:
    with pytest.raises(units.UnitError) as caught:
        units.parse_size(text)
    assert hint in caught.value.hint
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "hint"),
    {
        "60": "a number needs a unit",
        "1m": "minutes are min",
        "0.5ns": "not a whole number",
        "1MS": "did you mean ms?",
        "1MiB": "units are",
        "1d": "units",
    }.items(),
)
def test_time_refused(text: str, hint: str) -> None:
    with pytest.raises(units.UnitError) as caught:
        units.parse_time(text)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"),
        (1, "1B"),
        (1000, "1kB"),
        (1023, "1023B"),
        (1024, "1KiB"),
        (4096, "4KiB"),
        (1536, "1.5KiB"),
        (530_000_000, "530MB"),
        (160 << 20, "160MiB"),
    ],
)
def test_format_size(size: int, text: str) -> None:
    assert units.format_size(size) == text


@pytest.mark.parametrize(
    ("time", "text"),
    [(0, "0s"), (1, "1ns"), (1500, "1.5us"), (80_000, "80us"), (10**8, "100ms"), (60 * 10**9, "60s"), (3600 * 10**9, "3600s")],
)
def test_format_time(time: int, text: str) -> None:
    assert units.format_time(time) == text


@given(st.integers(0, 2**63 - 1) | st.integers(0, 2**13).map(lambda n: n << 40) | st.integers(0, 9 * 10**6).map(lambda n: n * 10**12))
def test_round_trip(value: int) -> None:
    assert units.parse_size(units.format_size(value)) == value
    assert units.parse_time(units.format_time(value)) == value


@given(st.text(max_size=20) | st.from_regex(r"[0-9]{1,5}(\.[0-9]{1,3})? ?[kKMGimunshB]{0,3}", fullmatch=True))
def test_nothing_but_unit_errors(text: str) -> None:
    for parse in (units.parse_size, units.parse_time):
        with contextlib.suppress(units.UnitError):
            assert 0 <= parse(text) <= units.LARGEST


def test_about() -> None:
    assert units.about_size(166_723_584) == "159 MiB"
    assert units.about_size(12) == "12 B"
    assert units.about_time(1_234_567) == "1.235 ms"
    assert units.about_time(0) == "0 ns"
