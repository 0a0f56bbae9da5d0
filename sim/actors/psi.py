"""Pressure stall information (Linux 6.1 kernel/sched/psi.c), for the whole VM as one group, and for each memory cgroup.

some: at least one task is stalled on the resource; full: no task makes progress because of it.  Linux weighs CPUs by their
non-idle time; here the VM is one domain, as psi's own documentation describes the states.
"""

from __future__ import annotations

from heapq import heappop, heappush

from simpy import Environment


class Psi:
    """Counts of task states and the time spent in each pressure state, ns."""

    def __init__(self, env: Environment, cpus: int) -> None:
        self.env = env
        self.cpus = cpus
        self.running = 0  # on a CPU or waiting for one
        self.iowait = 0
        self.memstall = 0
        self.memstall_running = 0
        self.since = 0
        self.announced: list[tuple[int, int, int, int]] = []
        self.memory_some = self.memory_full = self.io_some = self.io_full = self.cpu_some = 0

    def settle(self) -> None:
        """Account the time up to now, announced changes included."""
        now = int(self.env.now)
        while self.announced and self.announced[0][0] <= now:
            at, running, iowait, memstall = heappop(self.announced)
            self._account(at)
            self.running += running
            self.iowait += iowait
            self.memstall += memstall
        self._account(now)

    def _account(self, now: int) -> None:
        passed = now - self.since
        if not passed:
            return
        self.since = now
        running = self.running
        if self.memstall:
            self.memory_some += passed
            if running == self.memstall_running:
                self.memory_full += passed
        if self.iowait:
            self.io_some += passed
            if not running:
                self.io_full += passed
        if running > self.cpus:
            self.cpu_some += passed

    def change(self, running: int = 0, iowait: int = 0, memstall: int = 0, memstall_running: int = 0) -> None:
        """Tasks enter or leave states now."""
        if self.announced:
            self.settle()
        else:
            self._account(int(self.env.now))
        self.running += running
        self.iowait += iowait
        self.memstall += memstall
        self.memstall_running += memstall_running

    def solo_read(self, computed: int, end: int, memory: int) -> None:
        """The only task that runs computed until `computed` and then waited for a read until `end`; nothing is announced."""
        self._account(computed)
        self.running -= 1
        self.iowait += 1
        self.memstall += memory
        self._account(end)
        self.running += 1
        self.iowait -= 1
        self.memstall -= memory

    def announce(self, at: int, running: int, iowait: int, memstall: int) -> None:
        """A task will change its state at time `at`."""
        heappush(self.announced, (at, running, iowait, memstall))


class PsiPair:
    """The VM's pressure and a cgroup's: what one of its tasks does counts in both."""

    def __init__(self, vm: Psi, group: Psi) -> None:
        self.both = (vm, group)

    def change(self, running: int = 0, iowait: int = 0, memstall: int = 0, memstall_running: int = 0) -> None:
        """As of Psi."""
        for psi in self.both:
            psi.change(running, iowait, memstall, memstall_running)

    def solo_read(self, computed: int, end: int, memory: int) -> None:
        """As of Psi."""
        for psi in self.both:
            psi.solo_read(computed, end, memory)

    def announce(self, at: int, running: int, iowait: int, memstall: int) -> None:
        """As of Psi."""
        for psi in self.both:
            psi.announce(at, running, iowait, memstall)
