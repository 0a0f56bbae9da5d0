"""The configuration: every section as a frozen pydantic model, one to one with the YAML.

Values are in model units: sizes in bytes, times in nanoseconds, both written as text with a unit ("160MiB", "30us") or, in
Python only, as an int in model units.  Every key is described once, here or as an Option in models (settings.py, registries).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from models.memory.settings import COSTS, SCHEDULER, SYSCTL
from models.registry import REQUIRED, Option
from sim.config import checks
from sim.config.cgroups import CgroupSection as CgroupSection
from sim.config.installed import installed
from sim.config.names import registry
from sim.config.parts import Backend, Device, Key, Part, Policy, Settings
from sim.config.plugin import is_plugin
from sim.config.problems import fail
from sim.config.replications import MSER, Precision, Replications, WarmUp
from sim.config.section import CHOICE, KeyOr, part_name
from sim.config.section import MAX_RUNS as MAX_RUNS
from sim.config.section import Section as Section
from sim.config.section import Size as Size
from sim.config.section import Time as Time
from sim.config.section import as_written as as_written
from sim.config.section import file_name as file_name
from sim.config.sweep_schema import Sensitivity as Sensitivity
from sim.config.sweep_schema import Sweep as Sweep
from sim.config.sweep_schema import SweepCase as SweepCase
from sim.config.sweep_schema import Tune as Tune

if TYPE_CHECKING:

    class PolicyName:
        """An attribute that is read as a Policy and may be given as its name."""

        def __get__(self, instance: object, owner: object = None) -> Policy: ...
        def __set__(self, instance: object, value: Policy | str) -> None: ...

    class BackendName:
        """An attribute that is read as a Backend and may be given as its name."""

        def __get__(self, instance: object, owner: object = None) -> Backend: ...
        def __set__(self, instance: object, value: Backend | str) -> None: ...

else:
    PolicyName, BackendName = Policy, Backend


class ZoneStart(Section):
    """A zone as /proc/zoneinfo shows it, in pages."""

    name: Annotated[str, Key("choice", "", "which zone", choices=("DMA", "DMA32", "Normal"))]
    managed: Annotated[int, Key("int", "pages", "pages that the kernel hands out", "", 1, 1 << 40)]
    free: Annotated[int, Key("int", "pages", "pages free", "", 0, 1 << 40)]
    min: Annotated[int, Key("int", "pages", "its marks", "", 0, 1 << 40)]
    low: Annotated[int, Key("int", "pages", "", "", 0, 1 << 40)]
    high: Annotated[int, Key("int", "pages", "", "", 0, 1 << 40)]
    spanned: Annotated[int, Key("int", "pages", "pages from its first to its last", "", 1, 1 << 40)]
    start_pfn: Annotated[int, Key("int", "", "number of its first page frame", "", 0, 1 << 40)]
    pcp: Annotated[int, Key("int", "pages", "pages on per-CPU lists, besides the free ones", "", 0, 1 << 40)] = 0
    reclaimable: Annotated[int, Key("int", "pages", "of the pages in use, those of reclaimable slab", "", 0, 1 << 40)] = 0
    movable: Annotated[int, Key("int", "pages", "of the pages in use, those that can be moved (not on the lists)", "", 0, 1 << 40)] = 0
    scattered: Annotated[int, Key("int", "pages", "free pages in page blocks that such pages lie in", "", 0, 1 << 40)] = 0


class MachineStart(Section):
    """A machine as it was measured before a run (docs/validate.md): its zones, instead of those worked out from `memory`."""

    zones: Annotated[list[ZoneStart], Field(min_length=1, max_length=3)]
    stats_flush: Annotated[
        Time,
        Key("time", "ns", "time until the statistics of cgroups are next flushed by the clock, every 2 s", "Linux 6.12 mm/memcontrol.c", 1),
    ] = as_written("2s")


class Machine(Section):
    """The virtual machine: its memory, CPUs and kernel."""

    memory: Annotated[Size, Key("size", "B", "memory of the machine", "", 1 << 20, 1 << 50)]
    page_size: Annotated[
        Size, Key("size", "B", "size of a page", "4 KiB: x86-64; 16 and 64 KiB: arm64", choices=("4KiB", "16KiB", "64KiB"))
    ] = as_written("4KiB")
    cpus: Annotated[int, Key("int", "", "virtual CPUs", CHOICE, 1, 1024)] = 2
    kernel: Annotated[str, Key("choice", "", "which Linux's reclaim rules", "long-term releases", choices=("6.1", "6.12"))] = "6.1"
    kernel_reserved: Annotated[
        Size,
        Key(
            "size",
            "B",
            "memory that the kernel holds and never gives back; auto = memory/64 + 8MiB, at most memory/4",
            CHOICE,
            0,
            1 << 50,
            default="auto",
        ),
    ] = as_written("auto")
    start: MachineStart | None = None
    sysctl: Annotated[dict[str, Any], Settings(SYSCTL)] = {}
    scheduler: Annotated[dict[str, Any], Settings(SCHEDULER)] = {}

    @model_validator(mode="after")
    def _work_out_auto(self) -> Machine:
        """`kernel_reserved: auto` becomes a size, and still counts as not written."""
        reserved: Any = self.kernel_reserved
        if not isinstance(reserved, int):
            self.__dict__["kernel_reserved"] = checks.kernel_reserved(self.memory)
        return self


class ColdAge(Section):
    """Pages that were not used for a while go to the backend, before memory is short (docs/fleet.md)."""

    threshold: Annotated[
        Time,
        Key("time", "ns", "idle time after which a page is stored, rounded up to whole scans; never = only look", "", 1, default="never"),
    ] = as_written("never")
    scan_period: Annotated[
        Time, Key("time", "ns", "time between two scans of all anonymous pages", "Lagar-Cavilla et al., ASPLOS 2019", 1_000_000)
    ] = as_written("120s")


class Reclaim(Section):
    """How memory is reclaimed."""

    policy: PolicyName = as_written("linux-lru")
    cold_age: ColdAge | None = None


class Swap(Section):
    """The swap area."""

    device: Annotated[str, Key("str", "", "name of a device of `devices` that holds it")]
    size: Annotated[Size, Key("size", "B", "its size", "", 64 << 10, 1 << 50)]
    readahead: Annotated[
        str,
        Key(
            "choice",
            "",
            "adaptive: the window follows its hits; fixed: always the whole block of 2^vm.page-cluster slots, as before Linux 3.14",
            "Linux 6.1 mm/swap_state.c",
            choices=("adaptive", "fixed"),
        ),
    ] = "adaptive"


class FilesystemSection(Section):
    """Where the workloads' files are, and how they are read ahead."""

    device: Annotated[str, Key("str", "", "name of a device of `devices` that holds the files; auto = the first one")] = "auto"
    kind: Annotated[
        str,
        Key(
            "choice",
            "",
            "whose habits it has: buffer heads, and whether reclaim may write its pages; raw = a block device without a file system",
            "Linux 6.1 fs/ext4, fs/xfs, block/fops.c",
            choices=("ext4", "xfs", "raw"),
        ),
    ] = "ext4"
    read_ahead: Annotated[Size, Key("size", "B", "largest readahead window (read_ahead_kb); 0 turns it off", "Linux 6.1", 0, 1 << 30)] = (
        as_written("128KiB")
    )
    fault_around: Annotated[
        Size, Key("size", "B", "block of a file that one fault maps (fault_around_bytes); a page turns it off", "Linux 6.1", 4096, 2 << 20)
    ] = as_written("64KiB")
    max_request: Annotated[Size, Key("size", "B", "largest request (max_sectors_kb)", "Linux 6.1", 4096, 4 << 20)] = as_written("1280KiB")


class Output(Section):
    """What is recorded."""

    interval: Annotated[Time, Key("time", "ns", "simulated time between two rows of the series", CHOICE, 1000)] = as_written("100ms")
    record_pool: Annotated[bool, Key("bool", "", "record every store and free of the pool, for `replay`", CHOICE)] = False
    record_reclaim: Annotated[bool, Key("bool", "", "record when kswapd is at work and who else reclaims, for `perfetto`", CHOICE)] = False


class FleetTemplate(Section):
    """A kind of VM in a fleet: how frequent it is, the keys that it sets, and what it draws."""

    weight: Annotated[float, Key("float", "", "its share among the templates' weights", "", 0)] = 1.0
    set: dict[str, Any] = {}
    draw: dict[str, Any] = {}


class FleetTarget(Section):
    """What a figure of a VM should be, and for which share of the VMs."""

    most: Annotated[float | None, Key("float", "", "at most this, in the unit of the figure", default=None)] = None
    least: Annotated[float | None, Key("float", "", "at least this", default=None)] = None
    share: Annotated[float, Key("float", "", "for this share of the VMs", CHOICE, 0, 1)] = 0.98


class Fleet(Section):
    """Many VMs drawn from distributions, each simulated with every setting.  Keys are dotted, as for --set (docs/fleet.md)."""

    vms: Annotated[int, Key("int", "", "number of VMs; each is simulated once with every setting, whatever `replications` says", "", 1)]
    draw: dict[str, Any] = {}
    templates: dict[Annotated[str, AfterValidator(part_name)], FleetTemplate] = {}
    settings: dict[str, Annotated[list[Any], Field(min_length=1)]] = {}
    targets: dict[str, FleetTarget] = {}
    metrics: list[Annotated[str, Key("str", "", "a figure to show beside the usual ones")]] = []


class Published(Section):
    """A published figure, printed beside the simulated one."""

    case: Annotated[str, Key("str", "", "name of the case that simulates it")]
    metric: Annotated[str, Key("str", "", "name of the simulated figure in run.json")]
    value: Annotated[float, Key("float", "", "the published figure")]
    source: Annotated[str, Key("str", "", "where it was published")]
    note: Annotated[str, Key("str", "", "a remark that is printed with it", default="")] = ""


class Workload(Part):
    """A program: when it starts, what its pages hold, and what it does (`kind`, a name from models/workloads, with its settings)."""

    folder: ClassVar[str] = "workloads"
    common: ClassVar[tuple[Option, ...]] = (
        Option("name", "str", "", REQUIRED, "name of the workload, unique"),
        Option("contents", "part:contents", "", checks.default_contents(), "what its pages hold: how far they can be compressed", CHOICE),
        Option("start", "time", "ns", "0s", "simulated time at which it starts", "", 0),
        Option(
            "oom_score_adj", "int", "1/1000 of memory", 0, "how ready the OOM killer is to end it; -1000: never", "proc(5)", -1000, 1000
        ),
        Option("cgroup", "str", "", None, "memory cgroup of `cgroups` that it runs in; none = the root"),
    )

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            name: str,
            kind: str,
            contents: Part | str | Mapping[str, Any] | None = None,
            start: int | str = 0,
            oom_score_adj: int = 0,
            cgroup: str | None = None,
            **options: Any,
        ) -> None: ...

    def _fill(self, raw: Mapping[str, Any], context: Any) -> None:
        super()._fill(raw, context)
        try:
            part_name(self.options["name"])
        except Exception as error:
            found = getattr(error, "context", None) or {}
            fail([problem._replace(path=("name",)) for problem in found["problems"]])

    @property
    def name(self) -> str:
        """The workload's name."""
        return str(self.options["name"])

    @property
    def contents(self) -> Part | None:
        """What its pages hold."""
        found = self.options["contents"]
        return found if isinstance(found, Part) else None

    @property
    def start(self) -> int:
        """Simulated nanoseconds before it starts."""
        return int(self.options["start"])

    @property
    def oom_score_adj(self) -> int:
        """-1000 .. 1000."""
        return int(self.options["oom_score_adj"])

    @property
    def cgroup(self) -> str | None:
        """The memory cgroup that it runs in; None: the root."""
        name = self.options["cgroup"]
        return None if name is None else str(name)


class Config(Section):
    """A whole configuration.  `sim.load` reads one from YAML, `sim.run` runs one."""

    name: Annotated[str, Key("str", "", "name of the run and of its results' folder"), AfterValidator(file_name)]
    description: Annotated[str, Key("str", "", "what it is about, for the report")] = ""
    seed: Annotated[int, Key("int", "", "seed of all random numbers", CHOICE, 0, 2**63 - 1)] = 1
    replications: Annotated[
        int | Replications,
        KeyOr(
            "int",
            "",
            "runs with different random numbers, for the intervals; or a mapping: as many as a figure needs",
            CHOICE,
            1,
            10_000,
            section=Replications,
        ),
    ] = 5
    duration: Annotated[
        Time,
        Key("time", "ns", "simulated time; until-done = until every workload has ended", CHOICE, 1, default="until-done"),
    ] = as_written("until-done")
    warm_up: Annotated[
        Time,
        KeyOr(
            "time",
            "ns",
            "time at the start that the figures leave out; or mser-5, or a mapping: each run finds its own",
            CHOICE,
            0,
            section=WarmUp,
            words=(MSER,),
        ),
    ] = as_written("0s")
    machine: Machine
    reclaim: Reclaim = as_written({})
    devices: dict[Annotated[str, AfterValidator(part_name)], Device] = {}
    swap: Swap | None = None
    filesystem: FilesystemSection = as_written({})
    backend: BackendName = as_written("none")
    workloads: Annotated[list[Workload], Field(min_length=1)]
    cgroups: dict[Annotated[str, AfterValidator(part_name)], CgroupSection] = {}
    costs: Annotated[dict[str, Any], Settings(COSTS)] = {}
    output: Output = as_written({})
    sweep: Sweep | None = None
    fleet: Fleet | None = None
    tune: Tune | None = None
    sensitivity: Sensitivity | None = None
    published: list[Published] = []

    @model_validator(mode="after")
    def _fits_together(self, info: ValidationInfo) -> Config:
        """What no section can see alone; a configuration from a file is checked as a whole file by sim.config.load."""
        problems = [] if (info.context or {}).get("yaml") else checks.across(self)
        if problems:
            fail(problems)
        return self

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Config:
        """The configuration that `resolved` described.  Raises UserError."""
        return cls(**data)

    @property
    def until_done(self) -> bool:
        """Whether it runs until every workload has ended, instead of for `duration` ns."""
        duration: Any = self.duration
        return not isinstance(duration, int)

    @property
    def most_replications(self) -> int:
        """Replications at most: `replications` if that is a number."""
        return self.replications if isinstance(self.replications, int) else self.replications.most

    @property
    def precision(self) -> Precision | None:
        """What replications are added for, if their number is not fixed."""
        return None if isinstance(self.replications, int) else self.replications.precision

    @property
    def automatic_warm_up(self) -> bool:
        """Whether each replication finds its own warm-up; `warm_up` is a time if not."""
        warm_up: Any = self.warm_up
        return not isinstance(warm_up, int)

    @property
    def warm_up_metric(self) -> str:
        """The counter or column of the series whose course decides an automatic warm-up."""
        warm_up: Any = self.warm_up
        return (warm_up if isinstance(warm_up, WarmUp) else WarmUp()).metric

    def parts(self) -> Iterator[tuple[tuple[str | int, ...], Part]]:
        """Every part with its path, nested ones too."""
        yield from parts_of({name: getattr(self, name) for name in ("reclaim", "devices", "backend", "workloads", "cgroups")})

    def input_files(self) -> list[Path]:
        """Every file and folder whose content decides the results (settings that are paths, plug-ins), sorted."""
        return files_of(part for _, part in self.parts())


def files_of(parts: Iterable[Part]) -> list[Path]:
    """The files and folders that parts name: settings that are paths, plug-ins; sorted."""
    files: set[str] = set()
    for part in parts:
        files.update(_files(part.entry.options, part.options))
        if is_plugin(part.kind):
            files.add(part.kind.rpartition(":")[0])
        elif part.kind not in registry(part.folder):
            files.add(str(installed(part.folder)[part.kind].file))
    return [Path(name) for name in sorted(files)]


def parts_of(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Part]]:
    """Every part in a part, a section, a mapping or a list, with its path; nested ones too."""
    if isinstance(value, Part):
        yield path, value
        value = value.options
    if isinstance(value, Section):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    items: Any = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from parts_of(item, (*path, key))


def _files(options: tuple[Option, ...], values: Mapping[str, Any]) -> Iterator[str]:
    """The paths among settings; nested parts are looked at on their own."""
    for option in options:
        value, kind = values.get(option.name), option.type.removeprefix("list:")
        items = value if isinstance(value, list) else [value]
        for item in items:
            if kind == "group" and isinstance(item, Mapping):
                yield from _files(option.options, item)
            elif kind == "path" and item is not None:
                yield os.fspath(item)
