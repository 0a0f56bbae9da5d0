"""Formats of block I/O traces that an `io-trace` workload can name, in the order in which `auto` asks them whether a file is theirs."""

from models.registry import Entry

REGISTRY = (
    Entry(
        "mqsim",
        "models.workloads.io_readers.mqsim:READER",
        "time in ns, device, sector, sectors, 0 = write or 1 = read, between blanks",
        "CMU-SAFARI/MQSim, traces/",
    ),
    Entry("csv", "models.workloads.io_readers.csv:READER", "one request a line, fields between commas, semicolons or tabs", "definition"),
    Entry("text", "models.workloads.io_readers.text:READER", "one request a line, fields between blanks", "definition"),
)
