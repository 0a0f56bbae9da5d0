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
    Entry("csv", "models.workloads.readers.csv:READER", "one access a line, fields between commas, semicolons or tabs", "definition"),
    Entry("text", "models.workloads.readers.text:READER", "one access a line, fields between blanks", "definition"),
)
