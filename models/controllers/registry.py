"""Controllers of a memory cgroup that a configuration can name (`cgroups.NAME.controller`)."""

from models.registry import Entry, Option

_SENPAI = "senpai.py of facebookincubator/senpai (2019), with its default; from memory"
_TMO = "Weiner et al., ASPLOS 2022 (TMO), section 3.3, and the senpai plug-in of oomd; from memory"
_FAR = "Lagar-Cavilla et al., ASPLOS 2019"
_SMALLEST = "choice"

REGISTRY = (
    Entry("unmanaged", "sim.actors.controllers:nothing", "nobody reclaims before a limit is met", "Linux 6.1"),
    Entry(
        "senpai",
        "sim.actors.senpai:Senpai",
        "tightens memory.high while the group's memory pressure is low, backs off when it is high",
        "facebookincubator/senpai (2019)",
        (
            Option(
                "interval", "time", "ns", "6s", "time between two steps down; pressure is looked at every sixth of it", _SENPAI, 1_000_000
            ),
            Option("pressure", "time", "ns", "10ms", "target: stall time of `some` in an interval", _SENPAI, 1000),
            Option("max_probe", "float", "", 0.01, "largest step down, as a share of memory.high", _SENPAI, 0, 1),
            Option("max_backoff", "float", "", 1.0, "largest step up", _SENPAI, 0),
            Option(
                "coeff_probe", "float", "", 10.0, "pressure a tenth of the target (1/coeff) gives the largest step down", _SENPAI, 0.001
            ),
            Option("coeff_backoff", "float", "", 20.0, "pressure of so many times the target gives the largest step up", _SENPAI, 0.001),
            Option("min", "size", "B", "1MiB", "lowest memory.high", "senpai: 100M; smaller, as simulated machines are", 65536),
        ),
    ),
    Entry(
        "tmo",
        "sim.actors.tmo:Tmo",
        "writes a share of the group's memory to memory.reclaim, the less the nearer its pressure is to the threshold",
        "Weiner et al., ASPLOS 2022",
        (
            Option("interval", "time", "ns", "6s", "time between two steps", _TMO, 1_000_000),
            Option("psi_threshold", "float", "%", 0.1, "pressure (`some`, of the last interval) at which it stops", _TMO, 0.000001, 100),
            Option("reclaim_ratio", "float", "", 0.0005, "share of memory.current that a step takes without pressure", _TMO, 0, 1),
        ),
    ),
    Entry(
        "cold-age",
        "sim.actors.cold_age:ColdAgeController",
        "stores pages that are idle for so long that the promotion rate stays at its target",
        _FAR,
        (
            Option("scan_period", "time", "ns", "120s", "time between two scans of the group's pages, and two choices", _FAR, 1_000_000),
            Option("promotion_rate_target", "float", "%/min", 0.2, "pages that come back a minute, of the working set", _FAR, 0),
            Option(
                "percentile",
                "float",
                "%",
                98.0,
                "of the thresholds that the past would have needed",
                _FAR + "; the value is one it names",
                0,
                100,
            ),
            Option("delay", "time", "ns", "120s", "time at the start in which it only looks", _FAR + " (S seconds); " + _SMALLEST, 0),
            Option("working_set", "time", "ns", "120s", "pages used since are the working set", _FAR, 1_000_000),
        ),
    ),
)
