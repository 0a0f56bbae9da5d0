"""vCPUs: who may compute now, for how long, and who waits.

One vCPU runs one actor at a time.  Who is the next, for how long, and whether a sleeper preempts when it wakes is a rule of its own
(`Order`): that of Linux 6.1 (sim.actors.cfs) or 6.12 (sim.actors.eevdf).  All weights are equal.  Not modelled: balancing between
CPUs (one queue serves all).  Bare events: `simpy.Resource` costs several times as much on this path.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from typing import Any, NamedTuple, Protocol

from simpy import Environment, Event

Steps = Generator[Event, Any, None]

SHARED_STRETCH = 32  # SWAP_CLUSTER_MAX
ALONE_STRETCH = 4096


class Actor:
    """Anything that computes.

    kernel    a kernel thread
    vruntime  ns computed, moved up when it wakes after a long sleep
    deadline  the vruntime at which its slice is over (EEVDF)
    owed      ns by which it had had less than the mean when it last left its vCPU (EEVDF)
    idles     how often all vCPUs had been idle when it last fell asleep
    preempts  when it last asked for a vCPU it was to have one at once
    """

    kernel = False
    vruntime = 0
    deadline = 0
    owed = 0
    idles = 0
    preempts = True


class Waiting(NamedTuple):
    """Who is ready and has no vCPU, since when; urgent: may cut the turn of whoever has one."""

    actor: Actor
    event: Event
    since: int
    urgent: bool


class Order(Protocol):
    """Who computes when there are more actors than vCPUs."""

    def woken(self, cpus: Cpus, actor: Actor, now: int) -> bool:
        """The actor wakes: settle its run time; whether it preempts somebody."""

    def left(self, cpus: Cpus, actor: Actor) -> None:
        """The actor, which is no longer in cpus.running, has left its vCPU."""

    def requeued(self, actor: Actor) -> None:
        """The actor's turn was ended, and it goes on waiting."""

    def turn_end(self, cpus: Cpus, actor: Actor) -> int:
        """When somebody who waits is to have the vCPU of an actor that computes, ns."""

    def choose(self, cpus: Cpus) -> Waiting:
        """Which of those in cpus.ready is the next."""


class Cpus:
    """The VM's vCPUs.

    count vCPUs; quantum, slice, shared_slice in ns (see the scheduler settings).
    """

    def __init__(self, env: Environment, order: Order, count: int, quantum: int, slice_ns: int, shared_slice: int) -> None:
        self.env = env
        self.order = order
        self.count = count
        self.quantum = quantum
        self.slice_ns = slice_ns
        self.shared_slice = shared_slice
        self.least = max(shared_slice // 4, 1)
        self.idles = 0  # how often nobody computed
        self.running: dict[Actor, int] = {}  # actor: when its turn began
        self.ready: deque[Waiting] = deque()
        self.leaving: dict[Actor, int] = {}  # those who block, and when they will have computed what they had to
        self.alone: dict[Actor, Event] = {}  # those who compute for long, to be told when somebody queues
        self.busy = 0  # ns of all vCPUs, for turns that ended

    def deadline(self, actor: Actor, now: int) -> int:
        """How far the actor that computes now may go before others get to see what it did.

        While another vCPU computes too, that is a short slice.  Alone it may go on to the next event, or to the end of its turn if
        others wait for it: nobody could look in between.
        """
        if self.leaving:
            self.let_go(now)
        if len(self.running) > 1:
            limit = now + self.shared_slice
        else:
            limit = now + self.slice_ns
            if self.ready:
                limit = min(limit, self._turn_end(actor))
        upcoming = self.env.peek()
        if upcoming < limit:
            limit = int(upcoming)
        least = now + self.least
        return limit if limit > least else least

    def stretch(self) -> int:
        """Pages to reclaim in one step: 32 while another vCPU computes too, as many as the deadline allows otherwise."""
        return SHARED_STRETCH if len(self.running) > 1 else ALONE_STRETCH

    def _turn_end(self, actor: Actor) -> int:
        """When somebody who waits is to have the actor's vCPU."""
        if self.ready[0].urgent:
            return self.running[actor]
        return self.order.turn_end(self, actor)

    def run_times(self, now: int) -> dict[Actor, int]:
        """The run time of each actor that computes, as of now."""
        return {actor: actor.vruntime + max(min(now, self.leaving.get(actor, now)) - begun, 0) for actor, begun in self.running.items()}

    def resume(self, actor: Actor) -> bool:
        """Take the vCPU back that the actor left, if nobody has come in between."""
        at = self.leaving.pop(actor, None)
        if at is None:
            return False
        now = int(self.env.now)
        if at < now:
            self._book(actor, at - self.running[actor])
            self.running[actor] = now
            self.idles += len(self.running) == 1
        return True

    def _book(self, actor: Actor, ns: int) -> None:
        self.busy += ns
        actor.vruntime += ns

    def acquire(self, actor: Actor, woken: bool = True) -> Steps:
        """Wait for a vCPU; `woken`: after blocking, not because a turn was over."""
        if self.resume(actor):
            return
        now = int(self.env.now)
        if woken:
            actor.preempts = self.order.woken(self, actor, now)
        else:
            self.order.requeued(actor)
        if self.leaving:
            self.let_go(now)
        if len(self.running) < self.count:
            self.running[actor] = now
            return
        event = self.env.event()
        if self.leaving:
            self._see_to_leaving(now)
        self._queue(Waiting(actor, event, now, woken and actor.preempts))
        if self.alone:
            self._tell_all()
        yield event

    def _queue(self, waiting: Waiting) -> None:
        """Those who preempt in front, each in order of arrival."""
        ready = self.ready
        if waiting.urgent:
            ready.insert(sum(other.urgent for other in ready), waiting)
        else:
            ready.append(waiting)

    def _next(self) -> Waiting:
        """Those who preempt go before all others."""
        ready = self.ready
        if len(ready) == 1 or ready[0].urgent:
            return ready.popleft()
        best = self.order.choose(self)
        ready.remove(best)
        return best

    def solo(self) -> bool:
        """Whether the actor that computes is the only one on any vCPU, and nobody waits for one."""
        return len(self.running) == 1 and not self.ready and not self.leaving

    def solo_wait(self, actor: Actor, computed: int, end: int) -> None:
        """The only actor computed until `computed`, slept, and is back at `end`."""
        self._book(actor, computed - self.running[actor])
        self.running[actor] = end

    def leave(self, actor: Actor, at: int) -> None:
        """Give the vCPU up at time `at`, when the actor will have computed what it has to.

        While nobody waits that needs no event, which is what makes a blocking read cheap; whoever comes in between sees to it.
        """
        now = int(self.env.now)
        if self.ready and at <= now:
            self._end_turn(actor, now)
            return
        self.leaving[actor] = at
        if self.ready:
            self._see_to_leaving(now)

    def _see_to_leaving(self, now: int) -> None:
        """Somebody waits: the next turn that is to end needs an event."""
        going = self.env.timeout(min(self.leaving.values()) - now)
        assert going.callbacks is not None
        going.callbacks.append(lambda _: self.let_go(int(self.env.now)))

    def let_go(self, now: int) -> None:
        """End the turns that were to end by now."""
        for actor, at in list(self.leaving.items()):
            if at <= now:
                del self.leaving[actor]
                self._end_turn(actor, at)

    def release(self, actor: Actor) -> None:
        """Give the vCPU to the next in line."""
        self._end_turn(actor, int(self.env.now))

    def _end_turn(self, actor: Actor, at: int) -> None:
        now = int(self.env.now)
        self._book(actor, at - self.running.pop(actor))
        actor.idles = self.idles
        self.order.left(self, actor)
        if self.ready:
            following = self._next()
            self.running[following.actor] = now
            following.event.succeed()
        elif not self.running:
            self.idles += 1

    def compute(self, actor: Actor, ns: int) -> Steps:
        """Spend ns on the vCPU, then let others have it if the turn is over."""
        if ns > 0:
            yield self.env.timeout(ns)
        if self.ready and self.turn_over(actor):
            yield from self.rotate(actor)

    def spend(self, actor: Actor, ns: int) -> Steps:
        """Compute for ns: at once if that is short, else with others having their turns in between.

        Nobody's memory is touched meanwhile, so only who has the vCPU matters.
        """
        env = self.env
        if ns <= self.quantum:
            yield env.timeout(ns)
            return
        end = int(env.now) + ns
        while True:
            now = int(env.now)
            left = end - now
            if left <= 0:
                return
            if self.ready:
                part = max(min(left, self._turn_end(actor) - now), self.least)
                yield env.timeout(part)
                if self.ready and self.turn_over(actor) and end > int(env.now):
                    left = end - int(env.now)
                    yield from self.rotate(actor)
                    end = int(env.now) + left
            else:
                yield self._undisturbed(actor, left)

    def _undisturbed(self, actor: Actor, ns: int) -> Event:
        """Triggers after ns, or when somebody queues for a vCPU."""
        event = self.alone[actor] = self.env.event()
        timer = self.env.timeout(ns)
        assert timer.callbacks is not None
        timer.callbacks.append(lambda _: self._over(actor, event))
        return event

    def _over(self, actor: Actor, event: Event) -> None:
        if self.alone.get(actor) is event:
            del self.alone[actor]
            event.succeed()

    def _tell_all(self) -> None:
        told, self.alone = self.alone, {}
        for event in told.values():
            event.succeed()

    def rotate(self, actor: Actor) -> Steps:
        """End the actor's turn and wait for the next."""
        self.release(actor)
        yield from self.acquire(actor, woken=False)

    def turn_over(self, actor: Actor) -> bool:
        """Whether somebody who waits is to have the actor's vCPU now."""
        return int(self.env.now) >= self._turn_end(actor)

    def busy_ns(self) -> int:
        """ns spent computing on all vCPUs up to now."""
        now = int(self.env.now)
        return self.busy + sum(min(now, self.leaving.get(actor, now)) - since for actor, since in self.running.items())
