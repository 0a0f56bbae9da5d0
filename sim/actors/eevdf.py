"""Who computes: Linux 6.12's fair scheduler (EEVDF, kernel/sched/fair.c), all weights equal.

An actor is eligible while it has had no more than the mean of all who compute or wait; of those who are, the earliest deadline is the
next, a slice after the run time at which the actor came or had used up its last slice.  Sleep earns nothing: who wakes starts as far
behind the mean as it was when it fell asleep; who had had more starts where it was, or at the mean if that has caught up or the CPU was
idle.  It preempts if it would be the next: whoever computes has had more than the mean or has used up its slice, and nobody waits with
an earlier deadline.  Otherwise a turn ends at the first tick at which the slice is used up and somebody who waits has had less.
"""

from __future__ import annotations

from sim.actors.cpus import Actor, Cpus, Waiting

SLICE = 750_000  # ns, sysctl_sched_base_slice of one CPU; as often again as the CPUs double, up to 8


class Eevdf:
    """tick: ns from one tick to the next; count: CPUs."""

    def __init__(self, tick: int, count: int) -> None:
        self.tick = tick
        self.slice = SLICE * min(count, 8).bit_length()

    def woken(self, cpus: Cpus, actor: Actor, now: int) -> bool:
        """Place it at the mean or beyond; it preempts the one who computed most."""
        cpus.let_go(now)
        times = cpus.run_times(now)
        others = [*times.values(), *(waiting.actor.vruntime for waiting in cpus.ready)]
        if not others:
            actor.deadline = actor.vruntime + self.slice
            return True
        mean = sum(others) // len(others)
        if actor.owed > 0:
            actor.vruntime = mean - actor.owed * (len(others) + 1) // len(others)  # so that it is owed as much when it counts again
        else:
            actor.vruntime = mean if actor.idles != cpus.idles else max(mean, actor.vruntime)
        actor.deadline = actor.vruntime + self.slice
        if not times:
            return True
        current = max(times, key=lambda one: times[one])
        if times[current] >= current.deadline:
            current.deadline = times[current] + self.slice
        mean = (sum(others) + actor.vruntime) // (len(others) + 1)
        if actor.vruntime > mean or (times[current] <= mean and current.deadline < actor.deadline):
            return False
        return all(waiting.actor.vruntime > mean or waiting.actor.deadline > actor.deadline for waiting in cpus.ready)

    def left(self, cpus: Cpus, actor: Actor) -> None:
        """What it is owed, as far as the kernel lets that grow."""
        times = [*cpus.run_times(int(cpus.env.now)).values(), *(waiting.actor.vruntime for waiting in cpus.ready), actor.vruntime]
        actor.owed = min(sum(times) // len(times) - actor.vruntime, max(2 * self.slice, self.tick))

    def requeued(self, actor: Actor) -> None:
        """A new slice, if the last one is used up."""
        if actor.vruntime >= actor.deadline:
            actor.deadline = actor.vruntime + self.slice

    def turn_end(self, cpus: Cpus, actor: Actor) -> int:
        """A tick: the slice is used up, and somebody who waits has had less."""
        least = min(waiting.actor.vruntime for waiting in cpus.ready)
        ready_at = cpus.running[actor] + max(actor.deadline - actor.vruntime, least - actor.vruntime, 1)
        return -(-ready_at // self.tick) * self.tick

    def choose(self, cpus: Cpus) -> Waiting:
        """The earliest deadline of those who are eligible."""
        ready = cpus.ready
        times = [waiting.actor.vruntime for waiting in ready] + list(cpus.run_times(int(cpus.env.now)).values())
        total, count = sum(times), len(times)
        eligible = [waiting for waiting in ready if waiting.actor.vruntime * count <= total]
        return min(eligible or ready, key=lambda waiting: waiting.actor.deadline)
