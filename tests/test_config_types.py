"""The public interface as type checkers see it: text or numbers go in, model units come out, mistakes are found."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CODE = """\
import sim
config = sim.Config(
    name="a",
    machine=sim.Machine(memory="64MiB", cpus=3),
    devices={"disk": sim.Device("ssd", channels=4)},
    swap=sim.Swap(device="disk", size=1 << 30),
    backend=sim.Backend("zcache", persistent={"allocator": sim.Allocator("xcfmalloc")}),
    workloads=[sim.Workload(name="w", kind="zipf", contents="measured", size="1MiB")],
    output=sim.Output(interval="1ms"),
    duration="10s",
)
memory: int = config.machine.memory
backend: sim.Backend = config.backend
start: int = config.workloads[0].start
cases: list[sim.Case] = sim.prepare(config).cases
sim.Machine(memory=1.5)
sim.Machine(memori="64MiB")
sim.Machine()
sim.Swap(device=3, size="1GiB")
sim.Workload(kind="zipf")
text: str = config.machine.memory
"""


def test_types(tmp_path: Path) -> None:
    api = pytest.importorskip("mypy.api")
    path = tmp_path / "typed.py"
    path.write_text(CODE)
    out, err, _ = api.run(["--config-file", str(ROOT / "pyproject.toml"), "--no-warn-unreachable", str(path)])
    assert not err
    lines = [line.split(": ", 2) for line in out.splitlines() if "typed.py:" in line and ": error:" in line]
    found = {int(place.rpartition(":")[2]): text for place, _, text in lines}
    assert sorted(found) == [16, 17, 18, 19, 20, 21], out
    assert '"int | str"' in found[16] and 'did you mean "memory"' in found[17] and 'Missing named argument "memory"' in found[18]
