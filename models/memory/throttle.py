"""Dirty throttling: how much may be dirty, and how long a writer has to pause (Linux 6.1 mm/page-writeback.c).

Below the middle of the two thresholds writers run free.  Above, each gets a rate that falls with the number of dirty pages, so that
they settle between there and the limit; at the limit it stops.  One device holds all files, so its share of the threshold is all.
"""

from __future__ import annotations

from numba import int64, void

from models.jit import compiled, outlined
from models.memory import file_state as fi
from models.memory import state as st
from models.memory.op_state import S_DIRTIED, S_PAUSE, S_PAUSE_PAGES, S_PAUSED_AT
from models.memory.state import Numbers, pages_t
from models.vmstat import (
    NR_ACTIVE_FILE,
    NR_DIRTIED,
    NR_DIRTY,
    NR_DIRTY_BACKGROUND_THRESHOLD,
    NR_DIRTY_THRESHOLD,
    NR_FREE_PAGES,
    NR_INACTIVE_FILE,
    NR_WRITEBACK,
)

SECOND = 1_000_000_000
TICK = 4_000_000  # HZ 250
MEASURE_EVERY = 200_000_000
MOST_PAUSE = 200_000_000  # HZ / 5
DRAIN = 32  # HZ/8 + 1 rounded up to a power of two, ticks
AVERAGE_NS = 1024 * TICK  # 3 s, rounded up to a power of two ticks
POLL_PAGES = 32
POLL_EXCEEDED = 8
ONE = 1024  # fixed point of the position
TARGET_PAUSE = 10_000_000
START_RATE = 100 << 20  # bytes/s: a device's bandwidth before it was measured


@outlined(int64(pages_t))
def set_thresholds(pages):
    """Work out both thresholds into vmstat; returns the upper one, pages."""
    num, vmstat = pages.num, pages.vmstat
    free = vmstat[NR_FREE_PAGES]
    available = free - min(free, num[fi.RESERVE_TOTAL]) + vmstat[NR_ACTIVE_FILE] + vmstat[NR_INACTIVE_FILE] + 1
    page = num[st.PAGE_SIZE]
    if num[fi.DIRTY_BYTES] > 0:
        upper = (num[fi.DIRTY_BYTES] + page - 1) // page
    else:
        upper = num[fi.DIRTY_RATIO] * 4096 // 100 * available // 4096
    if num[fi.DIRTY_BACKGROUND_BYTES] > 0:
        lower = (num[fi.DIRTY_BACKGROUND_BYTES] + page - 1) // page
    else:
        lower = num[fi.DIRTY_BACKGROUND_RATIO] * 4096 // 100 * available // 4096
    if lower >= upper:
        lower = upper // 2
    vmstat[NR_DIRTY_THRESHOLD] = upper
    vmstat[NR_DIRTY_BACKGROUND_THRESHOLD] = lower
    return upper


@compiled(int64(pages_t))
def over_background(pages):
    """1 if more is dirty than the background threshold allows."""
    set_thresholds(pages)
    return 1 if pages.vmstat[NR_DIRTY] > pages.vmstat[NR_DIRTY_BACKGROUND_THRESHOLD] else 0


@compiled(int64(pages_t, int64, int64))
def hard_limit(pages, upper, dirty):
    """The threshold, or what is left of a higher one: that follows down by a 32nd every 200 ms."""
    num = pages.num
    if num[fi.SLOW_LIMIT] < upper:
        num[fi.SLOW_LIMIT] = upper
        num[fi.SLOW_LIMIT_AT] = num[st.CLOCK]
    elif num[st.CLOCK] - num[fi.SLOW_LIMIT_AT] >= MEASURE_EVERY:
        low = max(upper, dirty)
        if num[fi.SLOW_LIMIT] > low:
            num[fi.SLOW_LIMIT] -= (num[fi.SLOW_LIMIT] - low) // 32
        num[fi.SLOW_LIMIT_AT] = num[st.CLOCK]
    return max(upper, num[fi.SLOW_LIMIT])


@compiled(int64(pages_t, int64, int64, int64, int64))
def position(pages, upper, lower, limit, dirty):
    """The factor on the base rate, in 1024ths: 1 at the set point, 2 far below it, 0 at the limit."""
    if dirty >= limit:
        return 0
    freerun = (upper + lower) // 2
    setpoint = (freerun + limit) // 2
    x = ((setpoint - dirty) << 10) // (limit - setpoint | 1)
    factor = min(max((x * x >> 10) * x // ONE + ONE, 0), 2 * ONE)
    held = pages.vmstat[NR_DIRTY] + pages.num[fi.FILE_WRITEBACK]
    share = max(upper, (limit - dirty) // 8)
    own_point = setpoint * share // (upper | 1)
    span = (upper - min(share, upper) + 8 * pages.num[fi.AVERAGE_BANDWIDTH]) * share // (upper | 1)
    if held < own_point + span * 3 // 4:
        factor = factor * (own_point + span - held) // (span | 1)
    else:
        factor //= 4
    if held < share // 2:
        factor = factor * 8 if held * 16 < share else factor * (share // 2) // max(held, 1)
    return factor


@compiled(void(pages_t, int64, int64))
def measure_bandwidth(pages, elapsed, written):
    """The device's write bandwidth, averaged over about three seconds, then once more."""
    num = pages.num
    old = num[fi.BANDWIDTH]
    if elapsed > AVERAGE_NS:
        now = average = written * SECOND // elapsed
    else:
        now = (written * SECOND + old * (AVERAGE_NS - elapsed)) // AVERAGE_NS
        average = num[fi.AVERAGE_BANDWIDTH]
        if average > old and old >= now:
            average -= (average - old) >> 3
        if average < old and old <= now:
            average += (old - average) >> 3
    num[fi.BANDWIDTH] = max(now, 1)
    num[fi.AVERAGE_BANDWIDTH] = max(average, 1)


@compiled(void(pages_t, int64, int64, int64, int64, int64))
def measure_rate(pages, elapsed, dirtied, factor, dirty, setpoint):
    """Let the base rate follow what keeps dirtying and writing in balance, in small steps."""
    num = pages.num
    bandwidth, rate = num[fi.AVERAGE_BANDWIDTH], num[fi.DIRTY_RATE]
    dirtied_rate = dirtied * SECOND // elapsed
    task_rate = rate * factor // ONE + 1
    balanced = min(task_rate * bandwidth // (dirtied_rate | 1), bandwidth)
    step = 0
    if dirty < setpoint:
        x = min(min(num[fi.BALANCED_RATE], balanced), task_rate)
        if rate < x:
            step = x - rate
    else:
        x = max(max(num[fi.BALANCED_RATE], balanced), task_rate)
        if rate > x:
            step = rate - x
    shift = rate // (2 * step + 1)
    step = 0 if shift > 40 else ((step >> shift) + 7) // 8
    num[fi.DIRTY_RATE] = max(rate + step if rate < balanced else rate - step, 1)
    num[fi.BALANCED_RATE] = balanced


@compiled(void(pages_t, int64, int64, int64))
def measure(pages, factor, dirty, setpoint):
    """Every 200 ms: measure bandwidth and rate."""
    num = pages.num
    elapsed = num[st.CLOCK] - num[fi.MEASURED_AT]
    if elapsed < MEASURE_EVERY:
        return
    written = num[fi.FILES_WRITTEN] - num[fi.WRITTEN_THEN]
    dirtied = pages.vmstat[NR_DIRTIED] - num[fi.DIRTIED_THEN]
    if elapsed <= SECOND or num[fi.FILE_WRITEBACK] > 0:  # an idle time says nothing about the device
        measure_rate(pages, elapsed, dirtied, factor, dirty, setpoint)
        measure_bandwidth(pages, elapsed, written)
    num[fi.MEASURED_AT] = num[st.CLOCK]
    num[fi.WRITTEN_THEN] = num[fi.FILES_WRITTEN]
    num[fi.DIRTIED_THEN] = pages.vmstat[NR_DIRTIED]


@compiled(int64(int64))
def free_interval(room):
    """Pages that may be dirtied before the next look, with `room` pages to the limit: about its square root."""
    e = 0
    while room >> (e + 1) > 0:
        e += 1
    return 1 << (e >> 1) if room > 0 else 1


@compiled(int64(pages_t, Numbers, int64, int64))
def pause_for(pages, own, task_rate, held):
    """ns that the writer has to sleep for what it dirtied at this rate, and how far it may go afterwards."""
    num = pages.num
    now, dirtied = num[st.CLOCK], own[S_DIRTIED]
    longest = min(MOST_PAUSE, TICK * (1 + held // (1 + num[fi.AVERAGE_BANDWIDTH] // DRAIN)))
    if task_rate == 0:
        own[S_PAUSED_AT] = now + longest
        return longest
    target = min(TARGET_PAUSE, longest)
    ahead = task_rate * target // SECOND
    if ahead < POLL_PAGES:
        target = min(longest, POLL_PAGES * SECOND // task_rate)
        ahead = min(task_rate * longest // SECOND, POLL_PAGES)
    shortest = target // 2 if ahead >= POLL_PAGES else target
    period = dirtied * SECOND // task_rate
    pause = period
    if own[S_PAUSED_AT] > 0:
        pause -= now - own[S_PAUSED_AT]
    if pause < shortest:
        if pause < -SECOND:
            own[S_PAUSED_AT] = now
        else:
            own[S_PAUSED_AT] += period
        own[S_DIRTIED] = 0
        return 0
    pause = min(pause, longest)
    own[S_PAUSED_AT] = now + pause
    own[S_DIRTIED] = 0
    own[S_PAUSE_PAGES] = max(ahead, 1)
    return pause


@compiled(void(pages_t))
def want_flusher(pages):
    """Wake the flusher unless it is at work."""
    if pages.num[fi.FLUSHER_BUSY] == 0:
        pages.num[fi.FLUSH] |= fi.FLUSH_BACKGROUND


@outlined(int64(pages_t, Numbers))
def balance(pages, own):
    """A writer looks at the limits: ns that it has to pause, 0 if it may go on.  Wakes the flusher where that is due."""
    num, vmstat = pages.num, pages.vmstat
    num[fi.CPU_DIRTIED] = 0
    upper = set_thresholds(pages)
    lower = vmstat[NR_DIRTY_BACKGROUND_THRESHOLD]
    if vmstat[NR_DIRTY] > lower:
        want_flusher(pages)
    dirty = vmstat[NR_DIRTY] + vmstat[NR_WRITEBACK]
    if dirty <= (upper + lower) // 2:
        own[S_PAUSE_PAGES] = free_interval(upper - dirty)
        own[S_DIRTIED] = 0
        own[S_PAUSED_AT] = num[st.CLOCK]
        return 0
    want_flusher(pages)
    held = vmstat[NR_DIRTY] + num[fi.FILE_WRITEBACK]
    num[fi.EXCEEDED] = 1 if held > upper and dirty > upper else 0
    limit = hard_limit(pages, upper, dirty)
    factor = position(pages, upper, lower, limit, dirty)
    measure(pages, factor, dirty, ((upper + lower) // 2 + limit) // 2)
    return pause_for(pages, own, num[fi.DIRTY_RATE] * factor // ONE, held)


@compiled(int64(pages_t, Numbers))
def must_pause(pages, own):
    """Called after each page dirtied: 1 if the writer has to sleep for own[S_PAUSE] ns and then ask again."""
    num = pages.num
    own[S_PAUSE] = 0
    allowed = own[S_PAUSE_PAGES]
    if num[fi.EXCEEDED]:
        allowed = min(allowed, POLL_EXCEEDED)
    everybody = max(pages.vmstat[NR_DIRTY_THRESHOLD] // 32, 16)
    if own[S_DIRTIED] < allowed and num[fi.CPU_DIRTIED] < everybody:
        return 0
    own[S_PAUSE] = balance(pages, own)
    return 1 if own[S_PAUSE] > 0 else 0
