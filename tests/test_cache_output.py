"""What `mempress cache` draws and writes: pictures, whole files or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.cachesim.files import write_whole
from sim.cachesim.pictures import plot_curves
from sim.cachesim.study import Outcome
from sim.cli import execute
from sim.errors import UserError

PNG = b"\x89PNG\r\n\x1a\n"


def a_trace(folder: Path, requests: int = 1000, distinct: int = 90) -> Path:
    file = folder / "made.txt"
    file.write_text("\n".join(str(k * k % distinct) for k in range(requests)) + "\n")
    return file


@pytest.mark.parametrize("more", [["--pages", "5,10,20"], ["--curve"], ["--pages", "20,40", "--sample", "0.5"]])
def test_a_plot_is_drawn(tmp_path: Path, more: list[str]) -> None:
    for name, begins in (("a.png", PNG), ("a.svg", b"<?xml")):
        assert execute(["cache", str(a_trace(tmp_path)), "--policy", "lru,fifo", *more, "--plot", str(tmp_path / name)]) == 0
        assert (tmp_path / name).read_bytes().startswith(begins)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "a.svg", "made.txt"]


def test_a_plot_has_a_line_a_policy_and_the_same_bytes_again(tmp_path: Path) -> None:
    outcomes = [Outcome(f"p{k}", size, 100 // (k + 1), 3.0) for k in range(12) for size in (1, 10)]
    for name in ("a.svg", "b.svg"):
        plot_curves(tmp_path / name, "t", outcomes, 100)
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text()
    assert all(f">p{k}<" in text for k in range(12)) and ">miss ratio<" in text


@pytest.mark.parametrize(
    ("option", "name", "said"),
    [
        ("--plot", "x.pdf", "--plot: expected a file name that ends in .png or .svg, found"),
        ("--plot", "no/x.png", "no/x.png: cannot be written: there is no folder"),
        ("--json", "no/x", "no/x: cannot be written: there is no folder"),
        ("--json", ".", "cannot be written: it is a folder"),
    ],
)
def test_where_nothing_can_be_written_it_is_said_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, name: str, said: str
) -> None:
    assert execute(["cache", "/nonexistent", "--policy", "lru", "--pages", "5", option, str(tmp_path / name)]) == 2
    told = capsys.readouterr()
    assert said in told.err and told.out == "" and not list(tmp_path.iterdir())


def test_a_file_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:3])
        raise OSError(28, "No space left on device")

    write_whole(tmp_path / "a", b"before")
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match="a: cannot be written: No space left"):
        write_whole(tmp_path / "a", b"behind")
    assert [p.name for p in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_text() == "before"
