"""Devices: service times against closed forms and data sheets, defaults, and what a configuration may say of them."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as some
from simpy import Environment

import sim
from models.devices.device import SECOND, Elevator, Queue
from models.devices.hdd import Hdd, third_of
from models.devices.registry import REGISTRY
from models.errors import InputError
from models.registry import resolve
from sim.actors.disk import Disk
from sim.cli import execute
from sim.config.load import load

MS = 1_000_000
DOCS = Path(__file__).resolve().parent.parent / "docs" / "devices.md"
ONE_RATE = {"capacity": "80GB", "bandwidth": "58MB", "inner_bandwidth": "58MB"}  # the disk of the zcache measurements of 2012


def device(kind: str, **changes: Any) -> Any:
    """A device of the registry; settings as in Python."""
    part = sim.Device(kind, **changes)
    return resolve(part.entry.target)(part.options)


def random_reads(disk: Hdd, count: int, seed: int, size: int = 4096, write: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Service times of reads at uniform positions, one after the other, and the seeks in them, ns."""
    rng = np.random.default_rng(seed)
    places = rng.integers(0, disk.capacity // size, count) * size
    clock = head = 0
    times, seeks = [], []
    for first in places.tolist():
        clock += int(rng.integers(0, 50 * MS))
        ns = disk.service_ns(write, first, size, head, clock)
        distance = abs(disk.track_of(first) - disk.track_of(head)) / disk.tracks
        seeks.append(disk.seek_ns(distance))
        times.append(ns)
        clock += ns
        head = first + size
    return np.array(times), np.array(seeks)


@pytest.mark.parametrize("entry", REGISTRY, ids=lambda entry: entry.name)
def test_every_device_keeps_the_contract(entry: Any) -> None:
    made = device(entry.name)
    assert isinstance(made.queue, Queue) and made.queue.iops_limit is None and made.queue.bandwidth_limit is None
    assert made.channels >= 1 and made.round_trip >= 0
    assert made.rotational == (entry.name == "hdd")
    for write in (0, 1):
        ns = made.service_ns(write, 1 << 30, 4096, 0, 12_345)
        assert isinstance(ns, int) and ns > 0 and isinstance(made.transfer_ns(write, 4096), int)
    assert all(option.doc and option.source for option in entry.options)
    limited = device(entry.name, capacity="64GiB", nr_requests=7, iops_limit=500, bandwidth_limit="10MB")
    assert limited.queue == Queue(1 << 36, 7, 500, 10_000_000)


@pytest.mark.parametrize("entry", REGISTRY, ids=lambda entry: entry.name)
def test_every_figure_reaches_the_model(entry: Any) -> None:
    """A changed setting changes the model: none is ignored."""
    plain = device(entry.name, scheduler="mq-deadline") if entry.name in ("hdd", "ssd") else device(entry.name)
    for option in entry.options:
        if option.name == "scheduler":
            continue
        value: Any = {"int": 5, "size": 12_345_678, "time": 5 * MS, "bool": not option.default}[option.type]
        value = 25 * MS if option.name == "full_stroke" else value
        kept = {"scheduler": "mq-deadline"} if entry.name in ("hdd", "ssd") else {}
        assert device(entry.name, **{option.name: value, **kept}) != plain, option.name


def test_an_elevator_is_chosen_by_name() -> None:
    assert device("hdd").elevator == Elevator() and device("hdd", scheduler="none").elevator is None
    assert device("ssd").elevator is None
    asked = device(
        "ssd", scheduler="mq-deadline", max_sectors_kb=512, fifo_batch=1, writes_starved=3, read_expire="1ms", front_merges=False
    )
    assert asked.elevator == Elevator(512 * 1024, 1, 3, MS, 5 * SECOND, False)


def test_solid_state_disks_add_latency_and_transfer() -> None:
    ssd, nvme = device("ssd"), device("nvme")
    assert (ssd.service_ns(0, 0, 4096, 0, 0), ssd.service_ns(1, 0, 4096, 0, 0)) == (80_000, 30_000)
    assert ssd.transfer_ns(0, 530_000_000) == ssd.transfer_ns(1, 530_000_000) == SECOND
    assert (nvme.transfer_ns(0, 3_200_000_000), nvme.transfer_ns(1, 1_050_000_000)) == (SECOND, SECOND)
    # the drive's data sheet: 490,000 random reads a second of 4 KiB
    busy = nvme.service_ns(0, 0, 4096, 0, 0) + nvme.transfer_ns(0, 4096)
    assert nvme.channels * SECOND / busy == pytest.approx(490_000, rel=0.02)


@given(some.floats(0.1, 5), some.floats(0.1, 30), some.floats(0.1, 60))
def test_the_mean_over_all_pairs_of_tracks_is_the_average_seek(near: float, average: float, far: float) -> None:
    """Distances x of uniform pairs have the density 2 (1 - x)."""
    near_ns, average_ns, far_ns = round(near * MS), round(average * MS), round(far * MS)
    try:
        third = third_of(near_ns, average_ns, far_ns)
    except InputError:
        assume(False)
    disk = Hdd(10**11, 7200, 10**8, 10**8, near_ns, third, far_ns, 0, 0)
    x = (np.arange(200_000) + 0.5) / 200_000
    seeks = np.array([disk.seek_ns(d) for d in x[::50]])
    assert np.all(np.diff(seeks) >= -1e-6)  # farther takes longer
    assert disk.seek_ns(1.0) == pytest.approx(far_ns)
    assert disk.seek_ns(1e-12) == pytest.approx(near_ns, rel=1e-3, abs=1e3)
    short = near_ns + (third - near_ns) * np.sqrt(3 * x)
    long = third + (far_ns - third) * (x - 1 / 3) * 1.5
    curve = np.where(x < 1 / 3, short, long)
    assert np.mean(2 * (1 - x) * curve) == pytest.approx(average_ns, rel=1e-4)
    assert np.allclose(seeks, curve[::50], rtol=1e-9)


def test_seek_times_that_no_disk_has_are_refused() -> None:
    with pytest.raises(InputError, match=r"average_seek is 1 ms; .* must lie between 4.815 ms and 17.2 ms"):
        device("hdd", average_seek="1ms")
    with pytest.raises(InputError, match="full_stroke is the longest seek"):
        device("hdd", full_stroke="1ms")
    assert device("hdd", average_seek=4_815_000) and device("hdd", average_seek=17_200_000)  # both ends are curves


def test_random_reads_cost_overhead_seek_half_a_turn_and_transfer() -> None:
    disk = device("hdd", **ONE_RATE)
    count = 20_000
    times, seeks = random_reads(disk, count, 1)
    turn = 60 * SECOND / 7200
    transfer = 4096 * SECOND / 58_000_000
    rotation = times - seeks - 300_000 - transfer
    assert rotation.min() > -2 and rotation.max() < turn + 2
    assert abs(rotation.mean() - turn / 2) < 4 * turn / math.sqrt(12 * count)
    assert abs(seeks.mean() - 8.9 * MS) < 4 * seeks.std() / math.sqrt(count)
    assert abs(times.mean() - (300_000 + 8.9 * MS + turn / 2 + transfer)) < 4 * times.std() / math.sqrt(count)
    writes, _ = random_reads(disk, count, 1, write=1)
    assert abs(writes.mean() - times.mean() - 2 * MS) < 4 * turn / math.sqrt(6 * count)
    assert rotation.std() == pytest.approx(turn / math.sqrt(12), rel=0.02)


def test_access_times_are_those_of_a_data_sheet() -> None:
    """Hitachi Deskstar 7K500, 4.4.5: 4096 random reads take 55.5 s, 16 MiB in zone 0 0.29 s, both 5 % above what its figures add up to."""
    disk = device("hdd")
    times, _ = random_reads(disk, 4096, 2, 512)
    assert times.sum() / SECOND == pytest.approx(55.5 / 1.05, rel=0.03)
    far, clock = disk.capacity // 3, 0
    head = far
    for i in range(128):
        ns = disk.service_ns(0, i * 131072, 131072, head, clock)
        clock += ns
        head = (i + 1) * 131072
    assert clock / SECOND == pytest.approx(0.29 / 1.05, rel=0.05)  # one seek and one rotation are in it


def test_a_sequential_stream_runs_at_the_rate_of_its_place() -> None:
    disk = device("hdd", **ONE_RATE)
    head, total = 1 << 30, 0
    for _ in range(1000):
        total += disk.service_ns(0, head, 65536, head, total + 12_345)  # a pause does not matter: the disk reads on
        head += 65536
    assert total == pytest.approx(65_536_000 * SECOND / 58_000_000, abs=1000)
    zoned = device("hdd")
    first, last = (zoned.service_ns(0, at, 1 << 20, at, 0) for at in (0, zoned.capacity - (1 << 20)))
    assert (1 << 20) * SECOND / first == pytest.approx(64_800_000, rel=1e-4)
    assert (1 << 20) * SECOND / last == pytest.approx(31_000_000, rel=1e-3)
    whole = zoned.service_ns(0, 0, zoned.capacity, 0, 0)
    assert whole == pytest.approx(zoned.capacity * SECOND / 47_900_000, rel=1e-9)  # tracks fall evenly: the mean of both rates


def test_where_the_platter_stands_decides() -> None:
    disk = device("hdd", **ONE_RATE, overhead="0s")
    turn = disk.turn
    track = 58_000_000 * turn / SECOND  # bytes
    # the head is in track 10; a byte a quarter of a turn on, in the same track, at the moment the head passes `at`
    at, ahead = round(10.1 * track), round(10.35 * track)
    now = round(10.1 * turn)
    assert disk.service_ns(0, ahead, 4096, at, now) == pytest.approx(turn / 4 + 4096 * SECOND / 58e6, abs=20)
    # just missed: nearly a whole turn
    late = disk.service_ns(0, ahead, 4096, at, now + round(turn / 4) + 1000)
    assert late == pytest.approx(turn - 1000 + 4096 * SECOND / 58e6, abs=20)
    # rounding to ns does not cost a turn: whoever begins where the head is, begins at once
    for i in range(100):
        byte = round((2000 + i / 97) * track)
        passing = round(disk.track_of(byte) * turn)
        assert disk.rotation_ns(disk.track_of(byte), passing) < 10
    # a write that stays in its track needs no settling
    assert disk.service_ns(1, ahead, 4096, at, now) == disk.service_ns(0, ahead, 4096, at, now)


@given(some.integers(0, 500 * 10**9), some.integers(0, 500 * 10**9), some.integers(0, 10**13), some.integers(0, 1))
def test_a_request_never_takes_less_than_its_parts_nor_more_than_a_turn_more(first: int, head: int, now: int, write: int) -> None:
    disk = device("hdd")
    ns = disk.service_ns(write, first, 4096, head, now)
    transfer = 4096 * SECOND / 64_800_000
    assert ns >= transfer * (1 - 1e-6) - 1 or first + 4096 > disk.capacity
    assert ns <= 300_000 + 21 * MS + 2 * MS + disk.turn + 4096 * SECOND / 31_000_000 + 3
    assert disk.track_of(first) <= disk.tracks * (1 + 1e-12)


WRONG = [
    ("{kind: ssd, bandwidth: 0}", "devices.d.bandwidth: found 0; expected a rate with a unit, such as 64MiB, of at least 1B/s"),
    ("{kind: hdd, bandwidth: 0B/s}", "devices.d.bandwidth: found '0B/s'; expected a rate"),
    ("{kind: nvme, write_bandwidth: 0}", "devices.d.write_bandwidth: found 0; expected a rate"),
    ("{kind: nbd, bandwidth: 0}", "devices.d.bandwidth: found 0; expected a rate"),
    ("{kind: ssd, bandwidth_limit: 0}", "devices.d.bandwidth_limit: found 0; expected a rate"),
    ("{kind: ssd, bandwidth: 530}", "devices.d.bandwidth: found 530; expected a rate with a unit"),
    ("{kind: hdd, rpm: 0}", "devices.d.rpm: found 0; expected an integer from 1"),
    ("{kind: nvme, channels: 0}", "devices.d.channels: found 0; expected an integer from 1"),
    ("{kind: hdd, scheduler: cfq}", "devices.d.scheduler: found 'cfq'; expected one of mq-deadline, none"),
    ("{kind: ssd, iops_limit: 0}", "devices.d.iops_limit: found 0; expected an integer of at least 1, or null"),
    ("{kind: floppy}", "devices.d.kind: found 'floppy'"),
]


@pytest.mark.parametrize(("text", "message"), WRONG, ids=[text for text, _ in WRONG])
def test_bad_devices_are_refused_with_their_line(text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"name: x\nmachine: {{memory: 64MiB}}\nworkloads: [{{name: a, kind: loop}}]\ndevices:\n  d: {text}\n")
    assert execute(["check", str(path)]) == 2
    shown = capsys.readouterr()
    assert "c.yaml:5:" in shown.err and message in shown.err and "Traceback" not in shown.err


# --- docs/devices.md


def blocks(language: str) -> list[str]:
    """The code blocks of the page."""
    return re.findall(rf"```{language}\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.S)


def test_the_pages_own_device_works_as_printed(tmp_path: Path) -> None:
    (tape,) = blocks("python")
    (tmp_path / "tape.py").write_text(tape, encoding="utf-8")
    found = {}
    for number, text in enumerate(blocks("yaml")):
        path = tmp_path / f"{number}.yaml"
        path.write_text(f"name: x\nmachine: {{memory: 64MiB}}\nworkloads: [{{name: a, kind: loop}}]\n{text}")
        (case,) = load(str(path)).cases
        found |= {name: resolve(part.entry.target)(part.options) for name, part in case.config.devices.items()}
    assert found["disk"].outer == found["disk"].inner == 58_000_000 and found["disk"].capacity == 80 * 10**9
    assert found["volume"].queue[2:] == (3000, 125 << 20)
    env = Environment()
    disk = Disk(env, "tape", found["tape"], 4096)
    ended: list[int] = []
    for page in (0, 1_000_000):
        disk.submit(0, 0, 0, page, 1, lambda: ended.append(int(env.now)))
    env.run()
    transfer = 4096 * SECOND // 12_000_000
    assert ended == [transfer, 2 * transfer + 999_999 * 4096 * 10]


def test_the_pages_defaults_are_the_registrys() -> None:
    text = DOCS.read_text(encoding="utf-8")
    values = {entry.name: {option.name: option.default for option in entry.options} for entry in REGISTRY}
    hdd, ssd, nvme, nbd = (values[name] for name in ("hdd", "ssd", "nvme", "nbd"))
    seeks = [hdd[name] for name in ("track_to_track", "average_seek", "full_stroke", "write_settle", "overhead")]
    assert seeks == ["2ms", "8.9ms", "21ms", "2ms", "300us"] and "| 2, 8.9, 21, 2, 0.3 ms |" in text
    assert (hdd["bandwidth"], hdd["inner_bandwidth"], hdd["capacity"]) == ("64.8MB", "31MB", "500GB")
    assert "| 64.8 MB/s, 31 MB/s, 500 GB |" in text and f"m is {device('hdd').third / MS:.2f} ms" in text
    assert f"| channels | {ssd['channels']} | {nvme['channels']} | {nbd['channels']} |" in text
    latency = " | ".join(f"{int(d['read_latency'][:-2])}, {int(d['write_latency'][:-2])} µs" for d in (ssd, nvme, nbd))
    assert f"| latency, read and write | {latency} at the server |" in text
    assert "| 530 MB/s together | 3.2, 1.05 GB/s | 117 MB/s each way |" in text
    assert (ssd["bandwidth"], nvme["read_bandwidth"], nvme["write_bandwidth"], nbd["bandwidth"]) == ("530MB", "3.2GB", "1.05GB", "117MB")
    assert [d["nr_requests"] for d in (hdd, ssd, nvme, nbd)] == [64, 64, 1023, 128]
    assert [hdd[name] for name in ("fifo_batch", "writes_starved", "read_expire", "write_expire", "max_sectors_kb")] == [
        16, 2, "500ms", "5s", 1280,
    ]  # fmt: skip
