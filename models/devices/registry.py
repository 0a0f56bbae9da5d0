"""Devices that a configuration can name (`devices.NAME.kind`): service times only, queues live in sim."""

from models.registry import Entry, Option

_SSD = "typical figures of a data-centre SATA SSD (vendor data sheets of 480 GB drives, 2020s)"

REGISTRY = (
    Entry(
        "ssd",
        "models.devices.ssd:SSD",
        "solid-state disk: parallel channels, latency by direction, one link",
        _SSD,
        (
            Option("read_latency", "time", "ns", "80us", "flash read and controller, per request", _SSD, 0),
            Option("write_latency", "time", "ns", "30us", "acknowledged from the write buffer, per request", _SSD, 0),
            Option("bandwidth", "size", "B/s", "530MB", "link rate, both directions together, per second", _SSD, 1),
            Option("channels", "int", "", 8, "requests served at once", _SSD, 1, 1024),
        ),
    ),
)
