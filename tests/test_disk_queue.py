"""The queue of a device: queueing theory, the elevator against its plain twin, limits, room, and statistics that add up."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from simpy import Environment, Event

import sim
from models.devices.device import SECOND, Elevator, Queue
from models.devices.ssd import Ssd
from models.registry import resolve
from sim.actors.disk import Disk, bin_of
from sim.actors.elevator import READ, WRITE, DeadlineQueue
from sim.collect import edges

PAGE = 4096
MS = 1_000_000


class Table:
    """A device whose n-th request takes the n-th time of a list."""

    rotational = False
    duplex = False

    def __init__(self, times: Any, channels: int = 1, queue: Queue = Queue(), elevator: Elevator | None = None, trip: int = 0) -> None:
        self.times = iter(times)
        self.channels, self.queue, self.elevator, self.round_trip = channels, queue, elevator, trip

    def service_ns(self, write: int, first: int, size: int, head: int, start: int) -> int:
        return int(next(self.times))

    def transfer_ns(self, write: int, size: int) -> int:
        return 0


class Ask(NamedTuple):
    """A submission: when it is made, for when, and what."""

    now: int
    at: int
    write: int
    page: int
    count: int


class Recorded(Disk):
    """A Disk that keeps each service's start and end."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.services: list[tuple[int, int]] = []

    def _take(self, at: int, write: int, page: int, count: int) -> tuple[int, int]:
        self.services.append(super()._take(at, write, page, count))
        return self.services[-1]


def run(model: Any, asks: list[Ask]) -> tuple[Recorded, list[int]]:
    """Submit in order; the disk, and when each submission ended."""
    env = Environment()
    disk = Recorded(env, "d", model, PAGE)
    ends = [-1] * len(asks)

    def done(i: int) -> Callable[[], None]:
        def called() -> None:
            assert ends[i] == -1, "ended twice"
            ends[i] = int(env.now)

        return called

    def submit() -> Any:
        for i, ask in enumerate(asks):
            if ask.now > env.now:
                yield env.timeout(ask.now - int(env.now))
            event = disk.submit(ask.now, ask.at, ask.write, ask.page, ask.count, done(i))
            event.callbacks.append(lambda _, i=i: ends[i] == env.now or pytest.fail("`done` was not the first callback"))

    env.process(submit())
    env.run()
    assert -1 not in ends, "never ended"
    return disk, ends


def at_once(pages: list[int], write: int = 0, count: int = 1) -> list[Ask]:
    """Requests for these places, all at time 0."""
    return [Ask(0, 0, write, page, count) for page in pages]


def device(kind: str, **changes: Any) -> Any:
    """A device of the registry."""
    part = sim.Device(kind, **changes)
    return resolve(part.entry.target)(part.options)


# --- queueing theory


def poisson(rate: float, count: int, seed: int) -> list[Ask]:
    """Reads that come at random, `rate` a second."""
    gaps = np.random.default_rng(seed).exponential(SECOND / rate, count)
    return [Ask(int(t), int(t), 0, 0, 1) for t in np.cumsum(gaps)]


def standard_error(load: float, unit: float, count: int, variation: float) -> float:
    """Of the mean of `count` waits in a row: Daley's asymptotic variance of M/M/1 (Stochastic Processes 1968), in service times of `unit`.

    Other service times change it in heavy traffic by the third power of (1 + cv^2)/2 (Whitt, Management Science 1989).
    """
    variance = load * (2 + 5 * load - 4 * load**2 + load**3) / (1 - load) ** 4
    return unit * math.sqrt(variance / count) * ((1 + variation) / 2) ** 1.5


def erlang_c(load: float, servers: int) -> float:
    """Probability to wait in M/M/c."""
    offered = load * servers
    last = offered**servers / math.factorial(servers) / (1 - load)
    return last / (sum(offered**k / math.factorial(k) for k in range(servers)) + last)


@pytest.mark.parametrize("load", [0.3, 0.7, 0.85])
def test_m_d_1(load: float) -> None:
    service, count = 100_000, 100_000
    disk, _ = run(Table(iter(lambda: service, 0)), poisson(load * SECOND / service, count, 11))
    expected = load * service / (2 * (1 - load))
    assert abs(disk.waited[0] / count - expected) < 3 * standard_error(load, service, count, 0)
    assert disk.statistics()["utilisation"] == pytest.approx(load, rel=0.02)


@pytest.mark.parametrize(("load", "servers"), [(0.5, 1), (0.7, 1), (0.7, 4), (0.85, 8)])
def test_m_m_c(load: float, servers: int) -> None:
    service, count = 100_000, 100_000
    times = np.random.default_rng(12).exponential(service, count)
    disk, _ = run(Table(times, servers), poisson(load * servers * SECOND / service, count, 13))
    expected = erlang_c(load, servers) * service / servers / (1 - load)
    assert abs(disk.waited[0] / count - expected) < 3 * standard_error(load, service / servers, count, 1)
    assert (disk.latency[0] - disk.waited[0]) / count == pytest.approx(service, rel=0.01)


def test_first_come_first_served_is_lindleys_recursion() -> None:
    """Every single wait, exactly: with one channel each begins when the one before ends; with more, when the first channel is free."""
    rng = np.random.default_rng(14)
    for channels in (1, 3):
        times = rng.exponential(90_000, 5000).astype(int)
        asks = poisson(10_000 * channels, 5000, 15)
        _, ends = run(Table(times, channels), asks)
        free = [0] * channels
        for ask, ns, end in zip(asks, times.tolist(), ends, strict=True):
            free.sort()
            free[0] = max(free[0], ask.at) + ns
            assert end == free[0]


def test_one_link_after_the_channels_bounds_the_bandwidth() -> None:
    disk, ends = run(Ssd(8, 80_000, 30_000, 100_000_000), at_once(list(range(0, 8000, 8)), count=8))
    moved = 1000 * 8 * PAGE
    assert max(ends) == pytest.approx(80_000 + moved * SECOND / 100_000_000, abs=1000)
    assert disk.bytes == [moved, 0]


def test_nvme_reads_and_writes_have_links_of_their_own() -> None:
    both = [Ask(0, 0, i % 2, i * 256, 256) for i in range(200)]
    model = device("nvme", channels=1024, nr_requests=2000)
    _, ends = run(model, both)
    moved = 100 * 256 * PAGE
    assert max(ends[0::2]) == pytest.approx(85_000 + moved * SECOND / 3.2e9, abs=1000)
    assert max(ends[1::2]) == pytest.approx(20_000 + moved * SECOND / 1.05e9, abs=1000)


def test_a_round_trip_delays_and_keeps_nothing_busy() -> None:
    model = device("nbd", channels=1, bandwidth="1TB")
    _, ends = run(model, at_once([0, 100, 200]))
    assert ends == [500_000 + n * (80_000 + 4) for n in (1, 2, 3)]


# --- the elevator


class PlainElevator:
    """The elevator's rules over an unsorted list: the specification."""

    def __init__(self, rules: Elevator) -> None:
        self.rules = rules
        self.waiting: list[dict[str, Any]] = []
        self.above: dict[int, Any] = {READ: None, WRITE: None}
        self.way, self.batch, self.passed, self.serial = WRITE, 0, 0, 0

    def add(self, now: int, write: int, first: int, count: int, name: int) -> None:
        end, most = first + count, self.rules.max_request // PAGE
        mine = [r for r in self.waiting if r["write"] == write]
        before = [r for r in mine if r["end"] == first][-1:]
        behind = [r for r in mine if r["first"] == end][-1:]
        if before and before[0]["end"] - before[0]["first"] + count <= most:
            before[0]["end"] = end
            joined = before[0]
        elif behind and self.rules.front_merges and behind[0]["end"] - first <= most:
            behind[0]["first"] = first
            joined = behind[0]
        else:
            self.serial += 1
            expire = self.rules.write_expire if write else self.rules.read_expire
            new = {"write": write, "first": first, "end": end, "deadline": now + expire, "serial": self.serial, "names": [name]}
            self.waiting.append(new)
            return
        joined["names"].append(name)
        others = [r for r in mine if r is not joined]
        if joined in before:
            self._join(joined, [r for r in others if r["first"] == joined["end"]])
        else:
            for lower in [r for r in others if r["end"] == joined["first"]]:
                self._join(lower, [joined])

    def _join(self, lower: dict[str, Any], upper: list[dict[str, Any]]) -> None:
        for other in upper:
            if other["end"] - lower["first"] <= self.rules.max_request // PAGE:
                lower["end"], lower["deadline"] = other["end"], min(lower["deadline"], other["deadline"])
                lower["names"] += other["names"]
                if self.above[other["write"]] is other:
                    self.above[other["write"]] = self._next(other)
                self.waiting.remove(other)

    def pick(self, now: int) -> dict[str, Any]:
        found = self.above[self.way] if self.batch < self.rules.fifo_batch else None
        if found is None:
            ways = {r["write"] for r in self.waiting}
            if ways == {READ, WRITE}:
                self.passed += 1
            self.way = READ if READ in ways and (WRITE not in ways or self.passed <= self.rules.writes_starved) else WRITE
            if self.way == WRITE:
                self.passed = 0
            oldest = min((r for r in self.waiting if r["write"] == self.way), key=lambda r: (r["deadline"], r["serial"]))
            found = self.above[self.way]
            if found is None or oldest["deadline"] <= now:
                found = oldest
            self.batch = 0
        self.batch += 1
        self.above[self.way] = self._next(found)
        self.waiting.remove(found)
        return found

    def _next(self, one: dict[str, Any]) -> dict[str, Any] | None:
        up = [r for r in self.waiting if r["write"] == one["write"] and (r["first"], r["serial"]) > (one["first"], one["serial"])]
        return min(up, key=lambda r: (r["first"], r["serial"]), default=None)


RULES = some.builds(
    Elevator,
    max_request=some.sampled_from([PAGE, 3 * PAGE, 8 * PAGE, 320 * PAGE]),
    fifo_batch=some.integers(1, 4),
    writes_starved=some.integers(0, 3),
    read_expire=some.integers(0, 30),
    write_expire=some.integers(0, 60),
    front_merges=some.booleans(),
)


@settings(max_examples=300)
@given(RULES, some.lists(some.tuples(some.integers(0, 2), some.integers(0, 1), some.integers(0, 14), some.integers(1, 3)), max_size=80))
def test_the_elevator_is_its_twin(rules: Elevator, moves: list[tuple[int, int, int, int]]) -> None:
    """Kind 0 takes one out, the others add where nothing overlaps (what overlaps may join either of two)."""
    real: DeadlineQueue[int] = DeadlineQueue(rules, PAGE)
    plain = PlainElevator(rules)
    for now, (kind, write, first, count) in enumerate([*moves, *[(0, 0, 0, 0)] * len(moves)]):
        clash = any(r["write"] == write and first < r["end"] and r["first"] < first + count for r in plain.waiting)
        if kind and not clash:
            size = len(real)
            assert real.add(now, write, first, count, now) == len(plain_after(plain, now, write, first, count)) - size
        elif not kind and plain.waiting:
            found, wanted = real.pick(now), plain.pick(now)
            assert (found.write, found.first, found.end, found.deadline) == tuple(wanted[k] for k in ("write", "first", "end", "deadline"))
            assert sorted(found.parts) == sorted(wanted["names"])
        assert len(real) == len(plain.waiting)


def plain_after(plain: PlainElevator, now: int, write: int, first: int, count: int) -> list[dict[str, Any]]:
    plain.add(now, write, first, count, now)
    return plain.waiting


def deadline(**changes: Any) -> DeadlineQueue[str]:
    return DeadlineQueue(Elevator(**changes), PAGE)


def test_neighbours_merge_behind_in_front_and_across_a_gap() -> None:
    queue = deadline()
    assert queue.add(0, READ, 10, 2, "a") == 1
    assert queue.add(0, READ, 12, 2, "behind") == 0
    assert queue.add(0, READ, 8, 2, "in front") == 0
    assert queue.add(0, WRITE, 14, 2, "other direction") == 1
    assert queue.add(0, READ, 15, 1, "b") == 1
    assert queue.add(0, READ, 14, 1, "gap") == -1
    request = queue.pick(0)
    assert (request.first, request.end, sorted(request.parts)) == (8, 16, ["a", "b", "behind", "gap", "in front"])
    assert queue.pick(0).parts == ["other direction"] and not len(queue)


def test_merging_stops_at_the_largest_request_and_can_be_turned_off_in_front() -> None:
    queue = deadline(max_request=4 * PAGE)
    assert [queue.add(0, READ, i, 1, str(i)) for i in range(9)] == [1, 0, 0, 0, 1, 0, 0, 0, 1]
    assert [len(queue.pick(0).parts) for _ in range(3)] == [4, 4, 1]
    queue = deadline(front_merges=False)
    assert [queue.add(0, READ, i, 1, str(i)) for i in (5, 4, 6)] == [1, 1, 0]


def test_the_result_of_a_merge_keeps_the_earlier_deadline() -> None:
    """The new batch begins with it, though it lies below: it expires exactly now."""
    for now, expected in ((100, 4), (99, 60)):
        queue = deadline(read_expire=100, fifo_batch=1)
        queue.add(0, READ, 6, 1, "upper")
        queue.add(50, READ, 4, 1, "lower")
        queue.add(50, READ, 5, 1, "gap")
        queue.add(50, READ, 40, 1, "first to go")
        queue.add(50, READ, 60, 1, "above it")
        queue.above[READ] = queue.by_place[READ][1][2]
        assert queue.pick(50).first == 40
        assert queue.pick(now).first == expected


def test_what_was_next_and_was_merged_away_leaves_its_place_to_the_one_above() -> None:
    queue = deadline()
    for place in (10, 20, 30, 13):
        queue.add(0, READ, place, 1, str(place))
    assert queue.pick(0).first == 10  # 13 is next
    assert queue.add(0, READ, 12, 1, "12") == 0 and queue.add(0, READ, 11, 1, "11") == 0
    assert queue.pick(0).first == 11
    assert queue.add(0, READ, 18, 1, "18") == 1  # below what is next
    assert queue.add(0, READ, 19, 1, "19") == -1  # it closes the gap to what is next, 20: 30 is next instead
    assert [queue.pick(0).first for _ in range(2)] == [30, 18]


def test_a_request_in_service_takes_nobody_in() -> None:
    disk, ends = run(Table([100] * 9, elevator=Elevator()), [Ask(0, 0, 0, 5, 1), Ask(50, 50, 0, 6, 1), Ask(60, 60, 0, 7, 1)])
    assert ends == [100, 200, 200]
    assert (disk.requests[0], disk.merges[0], len(disk.services)) == (3, 1, 2)


def test_reads_go_first_and_writes_after_two_batches() -> None:
    queue = deadline(fifo_batch=4)
    for i in range(40):
        queue.add(0, READ, 10 * i, 1, "r")
        queue.add(0, WRITE, 10 * i + 5, 1, "w")
    assert "".join(queue.pick(0).parts[0] for _ in range(36)) == ("r" * 8 + "w" * 4) * 3


def test_requests_of_one_instant_are_served_in_order_of_place() -> None:
    places = np.random.default_rng(3).permutation(16).tolist()
    _, ends = run(Table([10] * 16, elevator=Elevator()), at_once([7 * p for p in places]))
    served = [place for _, place in sorted(zip(ends, places, strict=True))]
    # the first batch begins with the oldest and goes up; then from the oldest of the rest
    first = places[0]
    assert served[: 16 - first] == list(range(first, 16))


def test_an_expired_read_begins_the_next_batch() -> None:
    """Reads keep coming above the head; the one below waits for its 500 ms and at most one batch more."""
    model = Table([5 * MS] * 1000, elevator=Elevator())
    stream = [Ask(i * 5 * MS, i * 5 * MS, 0, 1000 + 10 * i, 1) for i in range(400)]
    backlog = [Ask(0, 0, 0, 500 + 10 * i, 1) for i in range(40)]
    low = Ask(10 * MS, 10 * MS, 0, 7, 1)
    asks = sorted([*stream, *backlog, low], key=lambda ask: ask.now)
    _, ends = run(model, asks)
    wait = ends[asks.index(low)] - low.at
    assert 500 * MS <= wait <= 500 * MS + 17 * 5 * MS
    never = Table([5 * MS] * 1000, elevator=Elevator(read_expire=10 * SECOND))
    _, ends = run(never, asks)
    assert ends[asks.index(low)] - low.at > 1500 * MS


@pytest.mark.parametrize("starved", [0, 2, 5])
def test_a_write_among_endless_reads_waits_for_so_many_batches(starved: int) -> None:
    model = Table([MS] * 2000, elevator=Elevator(writes_starved=starved))
    reads = [Ask(0, 0, 0, 10 * i, 1) for i in range(1000)]
    _, ends = run(model, [*reads, Ask(0, 0, 1, 5, 1)])
    assert ends[-1] == (16 * starved + 1) * MS


def test_the_elevator_beats_first_come_first_served() -> None:
    places = np.random.default_rng(5).integers(0, 500 * 10**9 // PAGE, 64).tolist()
    times = {s: max(run(device("hdd", scheduler=s), at_once(places))[1]) for s in ("mq-deadline", "none")}
    assert times["mq-deadline"] < 0.75 * times["none"]
    assert times["none"] / 64 == pytest.approx(13.2 * MS, rel=0.1)


def test_a_stream_of_small_writes_becomes_few_large_ones() -> None:
    disk, ends = run(device("hdd", inner_bandwidth="64.8MB"), at_once(list(range(6400)), write=1))
    assert disk.merges[1] == 6400 - 20  # 1280 KiB each
    assert max(ends) == pytest.approx(6400 * PAGE * SECOND / 64.8e6, abs=9 * MS)
    assert disk.queued == 0 and disk.most_outstanding == 6400


# --- limits


@pytest.mark.parametrize("elevator", [None, Elevator()], ids=["fifo", "elevator"])
def test_limits_hold_exactly(elevator: Elevator | None) -> None:
    """Over a long run of a full queue the n-th request starts n/IOPS after the first: rounding to ns does not add up."""
    count = 3000
    spread = at_once([10 * i for i in range(count)])
    disk, _ = run(Table([10] * count, 4, Queue(iops_limit=777), elevator), spread)
    assert [start for start, _ in disk.services] == [n * SECOND // 777 for n in range(count)]
    disk, _ = run(Table([10] * count, 4, Queue(bandwidth_limit=9_999_991), elevator), spread)
    assert [start for start, _ in disk.services] == [n * PAGE * SECOND // 9_999_991 for n in range(count)]
    both = Queue(iops_limit=10_000, bandwidth_limit=1 << 20)
    disk, _ = run(Table([10] * count, 4, both, elevator), spread)
    assert disk.services[-1][0] == (count - 1) * PAGE * SECOND // (1 << 20)
    assert disk.counters().busy == 10 * count


def test_unused_time_is_not_saved_up() -> None:
    asks = [Ask(t, t, 0, 0, 1) for t in (0, SECOND, SECOND, SECOND)]
    disk, _ = run(Table([1] * 4, 4, Queue(iops_limit=100)), asks)
    assert [start for start, _ in disk.services] == [0, SECOND, SECOND + 10 * MS, SECOND + 20 * MS]


def test_a_limit_is_a_server_of_constant_time() -> None:
    load, count = 0.7, 100_000
    disk, _ = run(Table(iter(lambda: 0, 1), 64, Queue(iops_limit=10_000)), poisson(load * 10_000, count, 16))
    expected = load * 100_000 / (2 * (1 - load))
    assert abs(disk.waited[0] / count - expected) < 3 * standard_error(load, 100_000, count, 0)


# --- room


@pytest.mark.parametrize("elevator", [None, Elevator()], ids=["fifo", "elevator"])
def test_room_comes_in_batches(elevator: Elevator | None) -> None:
    env = Environment()
    disk = Disk(env, "d", Table([100] * 64, 1, Queue(nr_requests=32), elevator), PAGE)
    for i in range(31):
        disk.submit(0, 0, 1, 10 * i, 1, lambda: None)
    assert not disk.full and (disk.queued_reads, disk.queued_writes) == (0, 31)
    disk.submit(0, 0, 0, 1000, 1, lambda: None)
    assert disk.full and (disk.queued, disk.queued_reads) == (32, 1)
    woken: list[int] = []
    room = disk.room()
    assert disk.room() is room
    room.callbacks.append(lambda _: woken.append(int(env.now)))  # type: ignore[union-attr]
    env.run()
    assert woken == [400]  # an eighth of 32 has ended
    assert disk.queued == 0 and disk.room().triggered


def test_what_merges_takes_no_room() -> None:
    env = Environment()
    disk = Disk(env, "d", Table([100] * 64, 1, Queue(nr_requests=4), Elevator()), PAGE)
    for i in range(10):
        disk.submit(0, 0, 1, i, 1, lambda: None)
    assert (disk.queued, disk.outstanding, disk.full) == (1, 10, False)


# --- the fast path


@pytest.mark.parametrize("kind", ["ssd", "nvme", "nbd", "hdd", "hdd none"])
def test_alone_the_fast_path_is_the_way_over_events(kind: str) -> None:
    """The same reads, each after the one before: ends, statistics, head and elevator are the same."""
    changes = {"scheduler": "none"} if kind.endswith("none") else {}
    changes |= {"iops_limit": 200} if kind == "nbd" else {}
    places = np.random.default_rng(8).integers(0, 10**6, 300).tolist()
    places = [p for page in places for p in (page, page + 2)]
    env = Environment()
    slow, fast = (Disk(env, "d", device(kind.split()[0], **changes), PAGE) for _ in range(2))
    ends: list[tuple[int, int]] = []

    def reader() -> Any:
        for i, page in enumerate(places):
            now = int(env.now)
            assert slow.solo and fast.solo
            yield slow.submit(now, now, 0, page, 2, lambda: None)
            assert fast.serve_before(int(env.now), now, page, 2) == 0  # not before it ends
            ends.append((int(env.now), fast.serve_before(int(env.now) + 1, now, page, 2)))
            yield env.timeout(i % 5 * 1000)

    env.process(reader())
    env.run()
    assert all(a == b for a, b in ends) and len(ends) == 600
    assert slow.counters() == fast.counters() and slow.histogram == fast.histogram
    assert slow.statistics() == fast.statistics() and slow.statistics()["queue_max"] == 1
    if slow.elevator is not None and fast.elevator is not None:
        assert (slow.elevator.way, slow.elevator.batch) == (fast.elevator.way, fast.elevator.batch)


def test_an_elevator_is_solo_only_when_idle() -> None:
    env = Environment()
    disk = Disk(env, "d", device("hdd"), PAGE)
    assert disk.solo
    disk.submit(0, 5000, 0, 77, 1, lambda: None)
    assert not disk.solo
    env.run()
    assert disk.solo
    disk = Disk(env, "d", device("ssd"), PAGE)
    disk.submit(int(env.now), int(env.now), 0, 77, 1, lambda: None)
    assert disk.solo


def test_one_who_waits_can_submit_again_in_the_same_instant() -> None:
    """Also after other events of that instant, when the elevator has looked at its queue already."""
    env = Environment()
    disk = Disk(env, "d", Table([10] * 9, elevator=Elevator()), PAGE)

    def reader() -> Any:
        for i in range(5):
            both: list[Event] = [disk.submit(int(env.now), int(env.now), 0, 9 * i, 1, lambda: None), env.timeout(10)]
            yield env.all_of(both)
            yield env.timeout(0)
            yield env.timeout(0)

    env.process(reader())
    env.run()
    assert disk.requests[0] == 5 and env.now == 50


# --- statistics

ASKS = some.lists(
    some.tuples(some.integers(0, 400_000), some.sampled_from([0, 0, 7000]), some.integers(0, 1), some.integers(0, 60), some.integers(1, 8)),
    min_size=1,
    max_size=60,
)
MODELS = some.sampled_from(
    [
        ("ssd", {}),
        ("ssd", {"channels": 2, "scheduler": "mq-deadline", "max_sectors_kb": 16}),
        ("nvme", {"channels": 3}),
        ("nbd", {"channels": 2}),
        ("ssd", {"iops_limit": 5000}),
        ("hdd", {}),
        ("hdd", {"scheduler": "none"}),
        ("hdd", {"fifo_batch": 2, "read_expire": "20ms", "bandwidth_limit": "1MB"}),
    ]
)


def union(intervals: list[tuple[int, int]]) -> int:
    """Length of the union."""
    total = reached = 0
    for begin, end in sorted(intervals):
        total += max(end - max(begin, reached), 0)
        reached = max(reached, end)
    return total


@settings(max_examples=200, deadline=None)
@given(MODELS, ASKS)
def test_everything_ends_once_and_statistics_add_up(model: tuple[str, dict[str, Any]], raw: list[tuple[int, int, int, int, int]]) -> None:
    clock = 0
    asks = []
    for gap, ahead, write, page, count in raw:
        clock += gap
        asks.append(Ask(clock, max(clock + ahead, asks[-1].at if asks else 0), write, page, count))
    made = device(model[0], **model[1])
    disk, ends = run(made, asks)
    least = [min((made.read_latency, made.write_latency)) if model[0] != "hdd" else 1] * len(asks)
    assert all(end >= ask.at + ns for ask, end, ns in zip(asks, ends, least, strict=True))
    latencies = [end - ask.at for ask, end in zip(asks, ends, strict=True)]
    for way in (0, 1):
        mine = [i for i, ask in enumerate(asks) if ask.write == way]
        assert disk.requests[way] == len(mine)
        assert disk.bytes[way] == sum(asks[i].count for i in mine) * PAGE
        assert disk.latency[way] == sum(latencies[i] for i in mine)
        assert disk.histogram[way] == np.bincount([bin_of(latencies[i]) for i in mine], minlength=168).tolist()
        assert 0 <= disk.waited[way] <= disk.latency[way]
    assert sum(disk.requests) - sum(disk.merges) == len(disk.services)
    counters = disk.counters()
    assert counters.busy == disk.busy == union(disk.services)
    # Little's law: requests in the system, integrated over time, are the sum of their latencies
    moments = sorted([(ask.at, 1) for ask in asks] + [(end, -1) for end in ends])
    inside = area = before = 0
    for time, change in moments:
        area += inside * (time - before)
        inside, before = inside + change, time
    assert counters.area == area == sum(latencies)
    found = disk.statistics()
    assert found["queue"] * counters.now == pytest.approx(area)
    assert found["utilisation"] <= 1
    assert (disk.queued, disk.outstanding, disk.outstanding_at, disk.queued_by) == (0, 0, 0, [0, 0])


@settings(max_examples=30, deadline=None)
@given(MODELS, ASKS)
def test_the_same_requests_give_the_same_run(model: tuple[str, dict[str, Any]], raw: list[tuple[int, int, int, int, int]]) -> None:
    clock, asks = 0, []
    for gap, _, write, page, count in raw:
        clock += gap
        asks.append(Ask(clock, clock, write, page, count))
    first, second = (run(device(model[0], **model[1]), asks) for _ in range(2))
    assert first[1] == second[1] and first[0].statistics() == second[0].statistics()


def test_statistics_since_a_moment_are_differences_and_count_what_is_under_way() -> None:
    env = Environment()
    disk = Disk(env, "d", Table([100] * 9), PAGE)
    for _ in range(3):
        disk.submit(0, 0, 0, 0, 2, lambda: None)
    env.run(until=150)
    assert (disk.busy, disk.busy_until, disk.counters().area) == (150, 150, 100 + 2 * 150)
    begin = disk.counters()
    env.run(until=400)
    found = disk.statistics(begin)
    assert (found["reads"], found["read_bytes"], found["writes"], found["busy"]) == (2, 4 * PAGE, 0, 150)
    assert found["queue"] == pytest.approx((2 * 50 + 100) / 250) and found["utilisation"] == 0.6
    assert (found["read_latency"], found["read_wait"], found["read_service"]) == (250, 150, 100)
    assert "write_latency" not in found and found["queue_max"] == 3


@given(some.integers(0, 1 << 45))
def test_bins_are_those_of_the_machine(ns: int) -> None:
    """Four an octave; what is longer than an hour is in the last."""
    where = edges()
    i = bin_of(ns)
    assert ns >= 4 or where[i] == ns
    assert i == len(where) - 2 or (where[i] <= ns < where[i + 1] if ns >= 4 else True)
