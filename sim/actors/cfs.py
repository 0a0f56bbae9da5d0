"""Who computes: Linux 6.1's fair scheduler (CFS, kernel/sched/fair.c), constants for one CPU.

Whoever waits with the least run time is the next.  A sleeper's run time is set to at most 3 ms behind the others' when it wakes; it
preempts at once if it is more than the wake-up granularity behind the actor that computes, else a turn lasts until the next tick.
"""

from __future__ import annotations

from sim.actors.cpus import Actor, Cpus, Waiting

SLEEPER_CREDIT = 3_000_000  # ns: half of the scheduling latency of 6 ms


class Cfs:
    """quantum: ns of a turn while others wait; wakeup_delay: by how much less a sleeper must have computed to preempt, ns."""

    def __init__(self, quantum: int, wakeup_delay: int) -> None:
        self.quantum = quantum
        self.wakeup_delay = wakeup_delay
        self.floor = 0  # least run time of those who compute or wait; never falls

    def woken(self, cpus: Cpus, actor: Actor, now: int) -> bool:
        """Not too far behind the others; it preempts the one who computed most."""
        lead = self._lead(cpus, now)
        actor.vruntime = max(actor.vruntime, self.floor - SLEEPER_CREDIT)
        return lead - actor.vruntime > self.wakeup_delay

    def left(self, cpus: Cpus, actor: Actor) -> None:
        """Nothing but the run time counts."""

    def requeued(self, actor: Actor) -> None:
        """Nothing but the run time counts."""

    def turn_end(self, cpus: Cpus, actor: Actor) -> int:
        """A tick, and at least as long as it is behind whoever waits."""
        behind = min(waiting.actor.vruntime for waiting in cpus.ready) - actor.vruntime
        return cpus.running[actor] + max(self.quantum, behind)

    def choose(self, cpus: Cpus) -> Waiting:
        """Who has computed least."""
        return min(cpus.ready, key=lambda waiting: waiting.actor.vruntime)

    def _lead(self, cpus: Cpus, now: int) -> int:
        """The greatest run time of those who compute now; moves the floor up."""
        times = cpus.run_times(now).values()
        least = min(times, default=self.floor)
        for waiting in cpus.ready:
            if waiting.actor.vruntime < least:
                least = waiting.actor.vruntime
        if least > self.floor:
            self.floor = least
        return max(times, default=least)
