"""Workloads that a configuration can name (`workloads[].kind`)."""

from models.registry import REQUIRED, Entry, Option
from models.workloads.io_readers.registry import REGISTRY as IO_READERS
from models.workloads.readers.registry import REGISTRY as READERS

_OWN = "definition"
_CC1 = "cc1 of GCC 12.2 over 357 C sources (docs/build-workload.md)"
_PROCESSES = Option(
    "processes", "int", "", 1, "with N > 1: a parent starts N processes of this workload, each with its own memory, and waits", "", 1, 4096
)

_SHARED_FILES = Option("shared_files", "bool", "", False, "with several processes: all use the same files, instead of files of their own")
_ADVICES = ("normal", "random", "sequential", "willneed", "dontneed", "noreuse")
_FIO = "called as in fio 3 (HOWTO)"


def _pattern(*more: Option, write_ratio: float = 0.3) -> tuple[Option, ...]:
    return (
        Option("size", "size", "B", "64MiB", "memory that it touches", "", 1),
        Option("accesses", "int", "", None, "number of accesses; none = as many as there are pages", "", 0),
        *more,
        Option("write_ratio", "float", "", write_ratio, "share of writes", "", 0, 1),
        Option("think", "time", "ns", "100ns", "computing after each access", "", 0),
        Option("fill", "bool", "", False, "first write every page once, in order"),
        Option("offset", "size", "B", "0B", "where its memory begins in the address space, for the parts of phases and mix", "", 0),
        _PROCESSES,
    )


_STRIDE = Option("stride", "int", "pages", 1, "distance of one access from the last, modulo the size", "", 1)
_SCATTER = Option(
    "scatter", "bool", "", True, "spread neighbouring ranks over the memory (step of 0.618 of it), so that hot pages are no neighbours"
)

REGISTRY = (
    Entry("sequential", "models.workloads.patterns:sequential", "pages in order, once", _OWN, _pattern(_STRIDE)),
    Entry("loop", "models.workloads.patterns:loop", "pages in order, again and again (set accesses)", _OWN, _pattern(_STRIDE)),
    Entry("uniform", "models.workloads.patterns:uniform", "every page equally likely", _OWN, _pattern()),
    Entry(
        "zipf",
        "models.workloads.patterns:zipf",
        "page of rank r with weight r^-alpha",
        _OWN,
        _pattern(Option("alpha", "float", "", 0.9, "0 is uniform; 1 is Zipf's law", "", 0, 10), _SCATTER),
    ),
    Entry(
        "hotcold",
        "models.workloads.patterns:hotcold",
        "a hot share of the pages gets most of the accesses",
        _OWN,
        _pattern(
            Option("hot", "float", "", 0.2, "share of the pages that is hot", "", 0, 1),
            Option("hot_accesses", "float", "", 0.8, "share of the accesses that goes to them", "", 0, 1),
            _SCATTER,
        ),
    ),
    Entry(
        "touch",
        "models.workloads.touch:build",
        "the page reference string of touch.c: writes every page once, then increments pages in a pattern",
        "the program of the measured kernel-reclaim runs (configs/validate/kernel-reclaim)",
        (
            Option("size", "size", "B", REQUIRED, "memory that it uses", "", 32768),
            Option("pattern", "choice", "", REQUIRED, "how pages are chosen", choices=("uniform", "cubic", "loop", "hotscan")),
            Option("accesses", "int", "", REQUIRED, "accesses after the first writing (measured: the last four fifths)", "", 0),
            Option("seed", "int", "", 1, "of its own generator, whatever the run's seed is", "", 0, 2**63 - 1),
            Option("think", "time", "ns", "2ns", "computing after each access", "choice", 0, 4_000_000_000),
            Option(
                "fill_time",
                "time",
                "ns",
                "500ns",
                "computing after each page of the first writing (a KiB of it)",
                "choice",
                0,
                4_000_000_000,
            ),
        ),
    ),
    Entry(
        "phases",
        "models.workloads.parts:phases",
        "workloads one after another in one address space",
        _OWN,
        (
            Option("parts", "list:part:workloads", "", REQUIRED, "the phases, in order"),
            Option("repeat", "int", "", 1, "how often the whole list runs", "", 1),
            _PROCESSES,
            _SHARED_FILES,
        ),
    ),
    Entry(
        "mix",
        "models.workloads.parts:mix",
        "workloads interleaved at random in one address space",
        _OWN,
        (
            Option("parts", "list:part:workloads", "", REQUIRED, "what is interleaved"),
            Option("weights", "list:float", "", None, "share of the ops of each part; none = equal"),
            _PROCESSES,
            _SHARED_FILES,
        ),
    ),
    Entry(
        "daily",
        "models.workloads.daily:build",
        "another workload in bursts whose rate follows a curve over the day",
        _OWN,
        (
            Option("part", "part:workloads", "", REQUIRED, "what it does"),
            Option("rate", "float", "1/s", 1000.0, "ops a second at the peak", "", 1e-6, 1e9),
            Option("fill", "bool", "", False, "first write every page of the patterns in it once, at once (their own `fill` is paced)"),
            Option("interval", "time", "ns", "1s", "time between two bursts, at most 4.29 s", "choice", 1000),
            Option("low", "float", "", 0.3, "load at its lowest, as a share of the peak's", "choice", 0, 1),
            Option("peak", "time", "ns", "14h", "time of day of the peak", "choice", 0),
            Option("clock", "time", "ns", "0s", "time of day at which it starts", "", 0),
            Option("period", "time", "ns", "24h", "length of a day", "", 1_000_000),
            Option("curve", "list:float", "", None, "instead of low and peak: loads at equal distances over the day, from midnight on"),
        ),
    ),
    Entry(
        "trace",
        "models.workloads.trace:build",
        "page accesses of a real program from a file; gz, xz, bz2 and zstd are read directly",
        "the file; see docs/recording.md for how to record one",
        (
            Option("file", "path", "", REQUIRED, "the trace"),
            Option(
                "format",
                "choice",
                "",
                "auto",
                "auto looks at the beginning of the file",
                choices=("auto", *(reader.name for reader in READERS)),
            ),
            Option(
                "columns",
                "list:str",
                "",
                None,
                "text and csv: what each column is, of time, op, address, page, - (ignored); none = from a heading, else by their number",
            ),
            Option(
                "time_unit", "choice", "", "ns", "text and csv: unit of the time column", choices=("ns", "us", "ms", "s", "instructions")
            ),
            Option("think", "time", "ns", "100ns", "computing after each access where the file has no time column", "", 0),
            Option(
                "ns_per_instruction", "float", "ns", 0.33, "where the file counts instructions", "3 GHz at one instruction a cycle", 0, 1000
            ),
            Option("time_scale", "float", "", 1.0, "factor for all times", "", 0, 1_000_000),
            Option(
                "backwards", "time", "ns", "1ms", "a time this much below an earlier one is taken as equal to it; more is an error", "", 0
            ),
            Option("repeat", "int", "", 1, "how often the trace is run through", "", 1),
            _PROCESSES,
        ),
    ),
    Entry(
        "masim",
        "models.workloads.masim:build",
        "a configuration file of masim: regions of memory, and phases of random and sequential accesses to them",
        "sjp38/masim, README.md and masim.c",
        (
            Option("file", "path", "", REQUIRED, "the configuration file"),
            Option("think", "time", "ns", "100ns", "computing after each access; sets how many a phase has", "choice", 1),
            Option("batch", "int", "", 131072, "accesses of a pattern before the next one is drawn", "masim.c", 1, 1 << 24),
            _PROCESSES,
        ),
    ),
    Entry(
        "file",
        "models.workloads.files:build",
        "reads and writes of files through system calls or mappings",
        "definition; option names of fio 3",
        (
            Option("size", "size", "B", "64MiB", "size of each file", _FIO, 1),
            Option("nrfiles", "int", "", 1, "number of files", _FIO, 1, 100_000),
            Option(
                "filename", "str", "", None, "parts of phases and mix that give the same name use the same files; none = files of its own"
            ),
            Option("exists", "bool", "", True, "the files have their size at the start; false: they grow as they are written"),
            Option(
                "rw",
                "choice",
                "",
                "read",
                "rand: blocks at random; rw: reads and writes by write_ratio",
                _FIO,
                choices=("read", "write", "rw", "randread", "randwrite", "randrw"),
            ),
            Option("write_ratio", "float", "", 0.5, "share of writes of rw and randrw", "fio's rwmixwrite", 0, 1),
            Option("random_distribution", "choice", "", "uniform", "of the blocks of all files", _FIO, choices=("uniform", "zipf")),
            Option("alpha", "float", "", 0.9, "of zipf: 0 is uniform; 1 is Zipf's law", "", 0, 10),
            _SCATTER,
            Option(
                "file_service_type",
                "choice",
                "",
                "sequential",
                "in order: one file after another, or one block of each in turn",
                _FIO,
                choices=("sequential", "roundrobin"),
            ),
            Option("block_size", "size", "B", "4KiB", "of one request; a write of part of a page may read it first", _FIO, 1, 1 << 28),
            Option("accesses", "int", "", None, "number of requests; none = as many as `passes` needs", "", 0),
            Option("passes", "int", "", 1, "requests for all blocks, so many times (at random: as many requests)", "", 0),
            Option("think", "time", "ns", "100ns", "computing after each request", "", 0),
            Option(
                "method",
                "choice",
                "",
                "call",
                "call: read() and write(); mmap: private mapping (written pages become anonymous); mmap-shared: shared mapping",
                choices=("call", "mmap", "mmap-shared"),
            ),
            Option("executable", "bool", "", False, "the mappings are program text (PROT_EXEC), which reclaim spares longer"),
            Option("advice", "choice", "", "normal", "posix_fadvise at the start, or madvise of the mapping", "", choices=_ADVICES),
            Option("end_advice", "choice", "", "normal", "posix_fadvise at the end; normal = none", "", choices=_ADVICES),
            Option("fsync_every", "int", "", 0, "fsync (msync) after so many writes; 0 = never", "fio's fsync", 0),
            Option("end_fsync", "bool", "", False, "fsync (msync) every file at the end", _FIO),
            Option("unlink", "bool", "", False, "the files are deleted at the end", _FIO),
            Option("unmount", "bool", "", False, "their file system is unmounted at the end: memory and cleancache keep nothing of it"),
            Option("offset", "size", "B", "0B", "where the mappings begin in the address space, for the parts of phases and mix", "", 0),
            _PROCESSES,
            _SHARED_FILES,
        ),
    ),
    Entry(
        "io-trace",
        "models.workloads.io_trace:build",
        "recorded block I/O as reads and writes of the devices' cached pages; gz, xz, bz2 and zstd are read directly",
        "the file; see docs/workloads-files.md",
        (
            Option("file", "path", "", None, "the trace"),
            Option("files", "list:path", "", None, "instead of `file`: several traces, each a process of its own, on the same devices"),
            Option(
                "format",
                "choice",
                "",
                "auto",
                "auto looks at the beginning of the file",
                choices=("auto", *(reader.name for reader in IO_READERS)),
            ),
            Option(
                "columns",
                "list:str",
                "",
                None,
                "text and csv: what each column is, of time, device, op, sector or offset, sectors or bytes, - (ignored); none = from a "
                "heading, else by their number",
            ),
            Option("time_unit", "choice", "", "ns", "text and csv: unit of the time column", choices=("ns", "us", "ms", "s")),
            Option("sector_size", "size", "B", "512B", "bytes of a sector", "Linux counts sectors of 512 bytes", 1, 1 << 20),
            Option(
                "device_size",
                "size",
                "B",
                "auto",
                "size of each device of the trace; auto = up to the last byte used, and at most as large as the device that holds it",
                "",
                1,
            ),
            Option(
                "pacing",
                "choice",
                "",
                "recorded",
                "recorded: after each request sleep for as long as there was to the next; think: compute for `think`",
                choices=("recorded", "think"),
            ),
            Option("think", "time", "ns", "100ns", "computing after each request with pacing: think", "", 0),
            Option("time_scale", "float", "", 1.0, "factor for all recorded times", "", 0, 1_000_000),
            Option(
                "origin",
                "choice",
                "",
                "first",
                "recorded time at which a stream starts: its first request, the first of all `files` (common), or zero",
                choices=("first", "common", "zero"),
            ),
            Option(
                "backwards", "time", "ns", "1ms", "a time this much below an earlier one is taken as equal to it; more is an error", "", 0
            ),
            Option("repeat", "int", "", 1, "how often the trace is run through", "", 1),
        ),
    ),
    Entry(
        "build",
        "models.workloads.build:build",
        "make -jN of a C project: compiler jobs with their own memory, headers that they share, outputs, and a link at the end",
        _CC1,
        (
            Option("jobs", "int", "", 400, "source files", "choice: a user-space project", 1, 100_000),
            Option("parallel", "int", "", 4, "N of make -jN: jobs at a time", "choice", 1, 4096),
            Option("mean_peak", "size", "B", "13.5MiB", "mean over the jobs of a job's largest anonymous memory", _CC1, 4096),
            Option("cpu_time", "time", "ns", "117ms", "mean CPU time of a job", _CC1, 1000),
            Option("alike", "float", "", 0.58, "correlation of the sizes of jobs that are compiled one after the other", _CC1, 0, 1),
            Option("neighbours", "float", "jobs", 72, "over which that fades, to a third", _CC1, 1, 1_000_000),
            Option("binary", "size", "B", "33.4MiB", "size of the compiler's file as mapped; 18 % of it is ever in use", _CC1, 4096),
            Option("headers", "size", "B", "2.6MiB", "all headers together, 5 KiB each", "the largest of the measured projects", 5120),
            Option("header_reads", "size", "B", "989KiB", "mean of what a job reads of them", _CC1, 0),
            Option("source_size", "size", "B", "10.6KiB", "mean size of a source", _CC1, 1),
            Option("output_size", "size", "B", "8.2KiB", "mean size of an object file", _CC1, 1),
            Option(
                "step", "time", "ns", "10ms", "computing between two looks of a job at its memory, about", "accuracy", 1000, 1_000_000_000
            ),
            Option("makefiles", "size", "B", "1MiB", "what make reads at the start", "assumption", 1),
            Option("make_memory", "size", "B", "16MiB", "make's own memory", "assumption", 4096),
            Option("make_time", "time", "ns", "500ms", "CPU time of make before the first job", "assumption", 0),
            Option("spawn_time", "time", "ns", "1ms", "CPU time of make for each job", "assumption", 0, 1_000_000_000),
            Option("link", "bool", "", True, "a linker reads all outputs at the end and writes as much"),
            Option("link_time", "time", "ns", "500ms", "its CPU time", "assumption", 0),
            Option("link_memory", "size", "B", None, "its memory; none = all outputs and 8 MiB", "ld -r of GNU binutils 2.40", 4096),
        ),
    ),
    Entry(
        "slab",
        "models.workloads.slab:build",
        "memory of the kernel's own objects that grows, stays, and shrinks, again and again",
        _OWN,
        (
            Option("size", "size", "B", REQUIRED, "at its largest", "", 4096, 1 << 40),
            Option("reclaimable", "bool", "", True, "shrinkers may free it; false: only its user can", "Linux 6.1 fs/dcache.c"),
            Option("grow", "time", "ns", "100ms", "time in which it grows", "choice", 64, 4_000_000_000),
            Option("hold", "time", "ns", "500ms", "time it then stays", "choice", 0, 4_000_000_000),
            Option("shrink", "time", "ns", "100ms", "time in which it is freed", "choice", 64, 4_000_000_000),
            Option("pause", "time", "ns", "500ms", "time until the next round", "choice", 0, 4_000_000_000),
            Option("rounds", "int", "", 1, "how often", "", 1, 1_000_000),
        ),
    ),
    Entry(
        "memhog",
        "models.workloads.memhog:build",
        "the load generator of the measured guests: the same pages in the same order (docs/validate.md)",
        _OWN,
        (
            Option("anon", "int", "pages", 0, "size of the anonymous region", "", 0),
            Option("files", "int", "pages", 0, "size of the file region", "", 0),
            Option("fmode", "choice", "", "mmap", "how the file is used: mapped, or by calls", choices=("mmap", "read")),
            Option("fadv", "choice", "", "normal", "advice on the file", choices=("normal", "random")),
            Option("phases", "list:str", "", REQUIRED, "the phases in that program's words, such as kind=mix,n=40000,seed=11,apat=uni"),
            Option("locked", "int", "pages", 0, "memory that the program locks at its start", "", 0),
            Option("fill", "time", "ns", "12us", "writing a whole page", "", 0, 1_000_000_000),
            Option("access", "time", "ns", "100ns", "working out an access and doing it", "", 0, 1_000_000_000),
            Option("mark_every", "int", "accesses", 0, "accesses between two snapshots of the counters; 0: at phase ends only", "", 0),
        ),
    ),
    Entry(
        "resident",
        "models.workloads.resident:build",
        "anonymous memory that is there from the start and that nobody uses; a run does not wait for it",
        _OWN,
        (
            Option("idle", "size", "B", "0B", "on the inactive list, not used since it was last looked at", "", 0),
            Option("used", "size", "B", "0B", "on the inactive list, used since then", "", 0),
            Option("active", "size", "B", "0B", "on the active list", "", 0),
        ),
    ),
)
