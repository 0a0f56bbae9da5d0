"""Multi-generational LRU: the feedback of refaults (Linux 6.1 mm/vmscan.c, mm/workingset.c).

Pages of the oldest generation are in four tiers by their uses through system calls.  Each tier counts what was evicted, protected and
refaulted since the oldest generation became so, and keeps averages of before.  Which type is evicted, and up to which tier, follows
from comparing rates of refaults.
"""

from __future__ import annotations

from numba import int64, types, void

from models.jit import compiled
from models.memory import state as st
from models.memory.groups import S_REFAULT, S_RESTORE, S_WS_ACTIVATE, SHADOW_LRUVEC, lruvec_of
from models.memory.state import pages_t, policy_t
from models.policies.mglru_lists import (
    ANON,
    AVG_REFAULTED,
    AVG_TOTAL,
    BATCH,
    EVICTED,
    FILE,
    MIN_SEQ,
    PROTECTED,
    REFAULTED,
    REFS,
    REFS_MOST,
    TIERS,
    VERSION,
    base_of,
    type_of,
)
from models.vmstat import WORKINGSET_ACTIVATE_ANON, WORKINGSET_REFAULT_ANON, WORKINGSET_RESTORE_ANON

SATURATED = REFS_MOST + 1
SEQ_SHIFT = 2  # of a shadow's token: the uses stand below
SEQ_MASK = (1 << 27) - 1  # what a shadow's number of 30 bits keeps of the sequence number
SHADOW_MASK = (1 << 32) - 1
Two = types.UniTuple(int64, 2)


@compiled(int64(policy_t, pages_t))
def is_612(policy, pages):
    """1 if the rules of Linux 6.12 hold."""
    version = policy.num[VERSION]
    return pages.num[st.KERNEL_612] if version == 0 else int64(version == 612)


@compiled(int64(policy_t, pages_t, int64))
def uses_of(policy, pages, f):
    """Uses beyond the first: the counter, and one for the workingset flag."""
    return int64(policy.table[f, REFS]) + (1 if pages.frame[f, st.FLAGS] & st.WORKINGSET else 0)


@compiled(int64(int64))
def tier_of(uses):
    """0 for none, 1 for one, 2 for two or three, 3 for more."""
    tier = 0
    while 1 << tier < uses + 1:
        tier += 1
    return tier


@compiled(Two(policy_t, int64, int64, int64))
def rate(policy, base, kind, tier):
    """Refaulted, and all that could have, of a tier."""
    num, at = policy.num, base + 4 * kind + tier
    return num[at + AVG_REFAULTED] + num[at + REFAULTED], num[at + AVG_TOTAL] + num[at + EVICTED] + num[at + PROTECTED]


@compiled(int64(Two, int64, Two, int64))
def not_worse(other, other_gain, mine, gain):
    """1 if `mine` had few refaults, or not a higher rate of them than `other`, each times its gain."""
    if mine[0] < BATCH:
        return 1
    return 1 if mine[0] * (other[1] + BATCH) * other_gain <= (other[0] + 1) * mine[1] * gain else 0


@compiled(int64(policy_t, int64, int64))
def tier_limit(policy, base, kind):
    """The last tier that is evicted when there is no choice of type: the next is refaulted twice as often as the first."""
    first = rate(policy, base, kind, 0)
    tier = 1
    while tier < TIERS and not_worse(first, 1, rate(policy, base, kind, tier), 2):
        tier += 1
    return tier - 1


@compiled(Two(policy_t, int64, int64))
def choose(policy, base, swappiness):
    """The type to evict and its last tier, by the rates of refaults of the first tiers."""
    gains = (swappiness, 200 - swappiness)
    anon, file = rate(policy, base, ANON, 0), rate(policy, base, FILE, 0)
    kind = int64(not_worse(anon, gains[0], file, gains[1]))
    other = anon if kind == FILE else file
    tier = 1
    while tier < TIERS and not_worse(other, gains[1 - kind], rate(policy, base, kind, tier), gains[kind]):
        tier += 1
    return kind, int64(tier - 1)


@compiled(void(policy_t, int64, int64))
def carry_over(policy, base, kind):
    """The oldest generation changes: half of what was counted goes into the averages."""
    num = policy.num
    for tier in range(TIERS):
        refaulted, total = rate(policy, base, kind, tier)
        at = base + 4 * kind + tier
        num[at + AVG_REFAULTED], num[at + AVG_TOTAL] = refaulted // 2, total // 2
        num[at + REFAULTED] = num[at + EVICTED] = num[at + PROTECTED] = 0


@compiled(int64(policy_t, pages_t, int64))
def evicted(policy, pages, f):
    """A page is evicted: counted in its tier.  The shadow: the oldest generation's number, uses, and whether there were any.

    It is of the page's own lruvec, whoever reclaims.
    """
    kind = type_of(int64(pages.frame[f, st.FLAGS]))
    lruvec = lruvec_of(pages, f)
    pages.num[st.AGE_LRUVEC] = lruvec
    base = base_of(lruvec)
    uses = uses_of(policy, pages, f)
    policy.num[base + EVICTED + 4 * kind + tier_of(uses)] += 1
    token = (policy.num[base + MIN_SEQ + kind] & SEQ_MASK) << SEQ_SHIFT | max(uses - 1, 0)
    return token << 1 | (1 if uses > 0 else 0)


@compiled(void(policy_t, pages_t, int64, int64))
def refault(policy, pages, f, shadow):
    """A page comes back while the generation that it left is still the oldest: counted in its tier; its uses are restored if it
    comes by a fault or had as many as can be told."""
    frame, vmstat = pages.frame, pages.vmstat
    flags = int64(frame[f, st.FLAGS])
    kind = type_of(flags)
    lruvec = lruvec_of(pages, f)
    if shadow >> SHADOW_LRUVEC != lruvec:
        return  # another memory cgroup has it now
    base, group = base_of(lruvec), pages.cgroup[lruvec]
    later = is_612(policy, pages)
    if later:
        vmstat[WORKINGSET_REFAULT_ANON + kind] += 1
        group[S_REFAULT + kind] += 1
    token = (shadow & SHADOW_MASK) >> 1
    if token >> SEQ_SHIFT != policy.num[base + MIN_SEQ + kind] & SEQ_MASK:
        return
    if not later:
        vmstat[WORKINGSET_REFAULT_ANON + kind] += 1
        group[S_REFAULT + kind] += 1
    uses = (token & REFS_MOST) + (shadow & 1)
    policy.num[base + REFAULTED + 4 * kind + tier_of(uses)] += 1
    if later and pages.num[st.IN_FAULT]:
        vmstat[WORKINGSET_ACTIVATE_ANON + kind] += 1
        group[S_WS_ACTIVATE + kind] += 1
    if pages.num[st.IN_FAULT] or uses >= SATURATED - 1:
        frame[f, st.FLAGS] = flags | st.WORKINGSET
        policy.table[f, REFS] = REFS_MOST
        vmstat[WORKINGSET_RESTORE_ANON + kind] += 1
        group[S_RESTORE + kind] += 1


@compiled(int64(policy_t, pages_t, int64))
def accessed(policy, pages, f):
    """A system call used the page: the first use sets one flag, the second another, further ones are counted up to three."""
    frame = pages.frame
    flags = int64(frame[f, st.FLAGS])
    if flags & st.REFERENCED == 0:
        frame[f, st.FLAGS] = flags | st.REFERENCED
    elif flags & st.WORKINGSET == 0:
        frame[f, st.FLAGS] = flags | st.WORKINGSET
    elif policy.table[f, REFS] < REFS_MOST:
        policy.table[f, REFS] += 1
    return 0
