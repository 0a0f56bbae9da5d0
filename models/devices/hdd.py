"""A hard disk: command overhead, seek by distance, rotation, transfer.

Form of the seek curve: Ruemmler & Wilkes, "An introduction to disk drive modeling", IEEE Computer 27(3), 1994: a + b * sqrt(d) for short
distances, c + e * d for long ones.  Here d is a share of the full stroke, the two meet at a third of it, and the time there is what makes
the mean over all pairs of tracks the data sheet's average (docs/devices.md has the derivation).

The platter turns with simulated time, so the rotational delay follows from position and time: nothing is random, and for positions that
have nothing to do with each other its mean is half a turn.  Tracks are skewed so that reading on and on never waits: the angle of a byte is
the number of turns that it takes to read everything before it, modulo one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import floor, sqrt
from typing import Any

from models.devices.device import SECOND, Elevator, Queue, elevator_of, queue_of
from models.errors import InputError

MINUTE = 60 * SECOND
SHORT = 1 / 3  # of the full stroke: where the square root ends and the line begins
JUST_MISSED = 1 - 1e-6  # of a turn: ends are rounded to ns, so less than that is the sector under the head


@dataclass(frozen=True)
class Hdd:
    """Geometry and times.

    outer, inner   sustained bytes a second at the first and the last byte; between them they fall linearly with the track
    nearest        seek of one track, ns
    third          seek of a third of the stroke, ns
    farthest       seek of the full stroke, ns
    write_settle   ns that a write's seek takes longer
    overhead       ns of command processing, hidden where a request goes on where the last one ended
    """

    capacity: int
    rpm: int
    outer: int
    inner: int
    nearest: float
    third: float
    farthest: float
    write_settle: int
    overhead: int
    queue: Queue = field(default_factory=Queue)
    elevator: Elevator | None = field(default_factory=Elevator)
    channels: int = 1
    rotational: bool = True
    duplex: bool = False
    flat: bool = False
    round_trip: int = 0

    @cached_property
    def turn(self) -> float:
        """One revolution, ns."""
        return MINUTE / self.rpm

    @cached_property
    def tracks(self) -> float:
        """Tracks of the whole disk: a track holds what passes in one turn."""
        return self.capacity * SECOND / (self.turn * (self.outer + self.inner) / 2)

    def track_of(self, byte: int) -> float:
        """Track of a byte, and how far around it: also the turns that it takes to read everything before it."""
        share = min(byte / self.capacity, 1.0)
        outer, inner = self.outer, self.inner
        return self.tracks * (outer + inner) * share / (outer + sqrt(outer * outer - (outer * outer - inner * inner) * share))

    def seek_ns(self, distance: float) -> float:
        """Seek over a share of the full stroke, more than none."""
        if distance < SHORT:
            return self.nearest + (self.third - self.nearest) * sqrt(distance / SHORT)
        return self.third + (self.farthest - self.third) * (distance - SHORT) / (1 - SHORT)

    def rotation_ns(self, track: float, now: int) -> float:
        """From `now` until the place on the track comes under the head."""
        wait = (track - now * self.rpm % MINUTE / MINUTE) % 1.0
        return 0.0 if wait > JUST_MISSED else wait * self.turn

    def service_ns(self, write: int, first: int, size: int, head: int, start: int) -> int:
        """Overhead, seek, rotation and transfer; transfer only where the last request ended (the disk's buffer reads on)."""
        track = self.track_of(first)
        transfer = (self.track_of(first + size) - track) * self.turn
        if first == head:
            return round(transfer)
        before = self.track_of(head)
        moving = self.overhead
        if floor(before) != floor(track):
            moving += round(self.seek_ns(abs(track - before) / self.tracks)) + (self.write_settle if write else 0)
        return moving + round(self.rotation_ns(track, start + moving) + transfer)

    def transfer_ns(self, write: int, size: int) -> int:
        """The interface is faster than the platter, and both work at once."""
        return 0


def _ms(time: float) -> str:
    return f"{time / 1e6:.4g} ms"


def third_of(nearest: int, average: int, farthest: int) -> float:
    """The seek over a third of the stroke that gives this mean over all pairs of tracks.  Raises InputError if there is no such curve."""
    third = (135 * average - 27 * nearest - 20 * farthest) / 88
    if not nearest <= third <= farthest:
        given = f"device hdd: average_seek is {_ms(average)}; with track_to_track {_ms(nearest)} and full_stroke {_ms(farthest)}"
        if nearest > farthest:
            raise InputError(f"{given} there is no such disk: full_stroke is the longest seek")
        least, most = (115 * nearest + 20 * farthest) / 135, (27 * nearest + 108 * farthest) / 135
        raise InputError(f"{given} it must lie between {_ms(least)} and {_ms(most)}")
    return third


def build(options: Mapping[str, Any]) -> Hdd:
    """The device of an options mapping (see the registry).  Raises InputError for seek times that no disk has."""
    seeks = options["track_to_track"], options["average_seek"], options["full_stroke"]
    return Hdd(
        capacity=options["capacity"],
        rpm=options["rpm"],
        outer=options["bandwidth"],
        inner=options["inner_bandwidth"],
        nearest=seeks[0],
        third=third_of(*seeks),
        farthest=seeks[2],
        write_settle=options["write_settle"],
        overhead=options["overhead"],
        queue=queue_of(options),
        elevator=elevator_of(options),
    )


HDD = build
