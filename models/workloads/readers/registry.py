"""Trace formats that a `trace` workload can name (`format`), in the order in which `auto` asks them whether a file is theirs."""

from models.registry import Entry

REGISTRY = (
    Entry("mpt", "models.workloads.readers.mpt:READER", "mempress's own compact page trace", "models/workloads/readers/mpt.py"),
    Entry(
        "lackey",
        "models.workloads.readers.lackey:READER",
        "valgrind --tool=lackey --trace-mem=yes, as it is printed",
        "valgrind 3.19 manual, Lackey: an example tool",
    ),
    Entry(
        "damon",
        "models.workloads.readers.damon:READER",
        "records of DAMON as damo keeps them (JSON, zlib or not)",
        "damonitor/damo, records of version 2 and later",
    ),
    Entry(
        "perf",
        "models.workloads.readers.perf:READER",
        "page faults and page-cache events as perf script and ftrace print them",
        "perf 6.1, perf-script(1); Documentation/trace/ftrace.rst",
    ),
    Entry("masim", "models.workloads.readers.masim:READER", "a configuration file of masim: regions and phases", "sjp38/masim, README.md"),
    Entry(
        "oracleGeneral",
        "models.workloads.readers.ids:ORACLE_GENERAL",
        "libCacheSim's records of 24 bytes; an id is a page",
        "libCacheSim's documentation of its trace formats",
    ),
    Entry("csv", "models.workloads.readers.csv:READER", "one access a line, fields between commas, semicolons or tabs", "definition"),
    Entry("text", "models.workloads.readers.text:READER", "one access a line, fields between blanks", "definition"),
    Entry(
        "lirs", "models.workloads.readers.ids:LIRS", "one id a line, lines of * are dropped; an id is a page", "traces of the LIRS authors"
    ),
    Entry("cache2k", "models.workloads.readers.ids:CACHE2K", "big-endian 32-bit ids, each a page", "cache2k benchmark traces (.trc)"),
)
