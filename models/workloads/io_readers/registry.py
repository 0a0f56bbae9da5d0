"""Formats of block I/O traces that an `io-trace` workload can name, in the order in which `auto` asks them whether a file is theirs."""

from models.registry import Entry

REGISTRY = (
    Entry(
        "mqsim",
        "models.workloads.io_readers.mqsim:READER",
        "time in ns, device, sector, sectors, 0 = write or 1 = read, between blanks",
        "CMU-SAFARI/MQSim, traces/",
    ),
    Entry(
        "msr",
        "models.workloads.io_readers.msr:READER",
        "CSV of timestamp (100 ns), host, disk, Read or Write, offset, size, response time",
        "MSR Cambridge block I/O traces, SNIA IOTTA repository",
    ),
    Entry("blkparse", "models.workloads.io_readers.blkparse:READER", "text of blkparse, queued requests", "blktrace 1.2, blkparse(1)"),
    Entry(
        "vscsi",
        "models.workloads.io_readers.vscsi:READER",
        "records of 32 or 40 bytes: SCSI command, block, length, time",
        "libCacheSim's description of vSCSI traces, versions 1 and 2",
    ),
    Entry("csv", "models.workloads.io_readers.csv:READER", "one request a line, fields between commas, semicolons or tabs", "definition"),
    Entry("text", "models.workloads.io_readers.text:READER", "one request a line, fields between blanks", "definition"),
)
