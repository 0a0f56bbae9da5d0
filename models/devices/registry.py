"""Devices that a configuration can name (`devices.NAME.kind`): service times only, queues live in sim."""

from models.registry import Entry, Option

_SSD = "typical figures of a data-centre SATA SSD (vendor data sheets of 480 GB drives, 2020s)"
_NVME = "Lenovo product guide of the Intel P4500 NVMe drives: the 2 TB drive"
_CAVIAR = "WD Caviar WD400BB specification (7200 rpm desktop disk)"
_DEAN = "J. Dean, LADIS 2009: a round trip within a datacentre"
_WIRE = "1 Gbit/s Ethernet less TCP/IP headers"
_DESKSTAR = "Hitachi Deskstar 7K500 specification (500 GB, 7200 rpm), sustained rates of zones 0 and 29"
_SYSFS = "Linux 6.1 Documentation/ABI/stable/sysfs-block"
_DEADLINE = "Linux 6.1 Documentation/block/deadline-iosched.rst"
_LIMIT = "none by default; as a hypervisor's or a cloud volume's limit"


def _queue(capacity: str, nr_requests: int, source: str) -> tuple[Option, ...]:
    """What every device has."""
    return (
        Option("capacity", "size", "B", capacity, "size of the device", "a common size of such a device", 1 << 20),
        Option("nr_requests", "int", "", nr_requests, "requests queued or in service before submitters have to wait", source, 1, 1 << 20),
        Option("iops_limit", "int", "1/s", None, "requests started a second, evenly spaced", _LIMIT, 1),
        Option("bandwidth_limit", "size", "B/s", None, "bytes a second, both directions together, evenly spaced", _LIMIT, 1),
    )


def _scheduler(default: str, why: str) -> tuple[Option, ...]:
    """What a device with an elevator has."""
    return (
        Option(
            "scheduler",
            "choice",
            "",
            default,
            "elevator that sorts and merges, or first come first served",
            why,
            choices=("mq-deadline", "none"),
        ),
        Option("max_sectors_kb", "int", "KiB", 1280, "largest request that merging makes", _SYSFS, 4, 1 << 20),
        Option("fifo_batch", "int", "", 16, "requests of one direction in a row, in ascending order", _DEADLINE, 1, 1 << 20),
        Option("writes_starved", "int", "", 2, "batches of reads that may go before waiting writes", _DEADLINE, 0, 1 << 20),
        Option("read_expire", "time", "ns", "500ms", "a read that waits longer is the next batch's first", _DEADLINE, 0),
        Option("write_expire", "time", "ns", "5s", "the same for writes", _DEADLINE, 0),
        Option("front_merges", "bool", "", True, "merge also with the request behind", _DEADLINE),
    )


_TWO_QUEUES = "Linux 6.1: with a scheduler twice the hardware's depth, 32 for SATA"

REGISTRY = (
    Entry(
        "hdd",
        "models.devices.hdd:HDD",
        "hard disk: seek by distance, rotation, transfer; elevator with merging",
        "Ruemmler & Wilkes, IEEE Computer 27(3), 1994; defaults of two 7200 rpm desktop disks of the 2000s",
        (
            Option("bandwidth", "size", "B/s", "64.8MB", "sustained rate at the first byte (outermost track), per second", _DESKSTAR, 1),
            Option("inner_bandwidth", "size", "B/s", "31MB", "sustained rate at the last byte; between them it falls evenly", _DESKSTAR, 1),
            Option("rpm", "int", "1/min", 7200, "revolutions a minute", _CAVIAR, 1, 1_000_000),
            Option("track_to_track", "time", "ns", "2ms", "seek to the next track", _CAVIAR, 0),
            Option("average_seek", "time", "ns", "8.9ms", "mean seek over all pairs of tracks", _CAVIAR, 0),
            Option("full_stroke", "time", "ns", "21ms", "seek from the first track to the last", _CAVIAR, 0),
            Option("write_settle", "time", "ns", "2ms", "what a write's seek takes longer (10.9 ms on average)", _CAVIAR, 0),
            Option("overhead", "time", "ns", "300us", "command processing of a request that does not continue the last one", _CAVIAR, 0),
            *_queue("500GB", 64, _TWO_QUEUES),
            *_scheduler("mq-deadline", "Linux 6.1's default for devices with one hardware queue"),
        ),
    ),
    Entry(
        "ssd",
        "models.devices.ssd:SSD",
        "SATA solid-state disk: parallel channels, latency by direction, one link",
        _SSD,
        (
            Option("read_latency", "time", "ns", "80us", "flash read and controller, per request", _SSD, 0),
            Option("write_latency", "time", "ns", "30us", "acknowledged from the write buffer, per request", _SSD, 0),
            Option("bandwidth", "size", "B/s", "530MB", "link rate, both directions together, per second", _SSD, 1),
            Option("channels", "int", "", 8, "requests served at once", _SSD, 1, 1024),
            Option("rotational", "bool", "", False, "what the kernel takes it for; true of a virtio disk, whatever is behind it", _SYSFS),
            *_queue("480GB", 64, _TWO_QUEUES),
            *_scheduler("none", "a choice of this model: sorting does not help flash, and requests come merged from reclaim"),
        ),
    ),
    Entry(
        "nvme",
        "models.devices.nvme:NVME",
        "NVMe solid-state disk: many channels, latency and bandwidth by direction, a link each way",
        _NVME,
        (
            Option("read_latency", "time", "ns", "85us", "random read of 4 KiB, per request", _NVME, 0),
            Option("write_latency", "time", "ns", "20us", "random write of 4 KiB, acknowledged from the buffer", _NVME, 0),
            Option("read_bandwidth", "size", "B/s", "3.2GB", "sequential read rate, per second", _NVME, 1),
            Option("write_bandwidth", "size", "B/s", "1.05GB", "sequential write rate, per second", _NVME, 1),
            Option("channels", "int", "", 42, "requests served at once: 490,000 random reads/s times 85 us", _NVME, 1, 65536),
            *_queue("2TB", 1023, "Linux 6.1 drivers/nvme/host/pci.c: queues of 1024 entries"),
        ),
    ),
    Entry(
        "nbd",
        "models.devices.nbd:NBD",
        "network block device: a round trip, a server with threads, the network's bandwidth each way",
        "nbdkit(1); Linux 6.1 drivers/block/nbd.c; an SSD behind 1 Gbit/s Ethernet",
        (
            Option(
                "round_trip",
                "time",
                "ns",
                "500us",
                "network and software, both ways, per request",
                _DEAN,
                0,
            ),
            Option("read_latency", "time", "ns", "80us", "the server's read, per request", _SSD, 0),
            Option("write_latency", "time", "ns", "30us", "the server's write, per request", _SSD, 0),
            Option(
                "bandwidth",
                "size",
                "B/s",
                "117MB",
                "payload of the network, each way, per second",
                "1 Gbit/s Ethernet less TCP/IP headers",
                1,
            ),
            Option("channels", "int", "", 16, "requests that the server works on at once", "nbdkit(1): 16 threads a connection", 1, 65536),
            *_queue("100GB", 128, "Linux 6.1 drivers/block/nbd.c: 128 requests in flight"),
        ),
    ),
)
