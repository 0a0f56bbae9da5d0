"""Everything that is measured, with the default that each figure stands in for."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from models.memory.settings import COSTS
from sim.calibrate.codecs import Codec, codecs, default
from sim.calibrate.pages import PAGE, kinds
from sim.calibrate.timing import Timed, busy, once, over_all, quiet_thread, summary
from sim.units import parse_time

COLD, WARM = 192 << 20, 128 << 10  # bytes copied: far more than caches hold; less than a second-level cache
Tell = Callable[[str, float], None]  # what is measured now, and the share that is done


class Row(NamedTuple):
    """A compressor on one kind of pages: bytes made of a page on average, and times."""

    kind: str
    size: float
    compress: Timed
    decompress: Timed


class Measured(NamedTuple):
    """A compressor: by kind of page, the mean over the kinds, and the defaults in ns."""

    name: str
    library: str
    rows: list[Row]
    compress: Timed
    decompress: Timed
    defaults: tuple[int, int]


class Cost(NamedTuple):
    """A key of `costs`: its time for a 4 KiB page, the bandwidth that this is, and the default in ns."""

    key: str
    doc: str
    time: Timed
    default: int

    @property
    def bandwidth(self) -> float:
        """GB/s of bytes written."""
        return PAGE / self.time.median if self.time.median else 0.0


class Found(NamedTuple):
    """All of it.  `call` is what a call from Python takes by itself; it is taken off every time."""

    compressors: list[Measured]
    costs: list[Cost]
    missing: dict[str, str]
    call: Timed
    cpu: int | None
    machine: str
    warnings: list[str]


def measure(repeats: int, tell: Tell) -> Found:
    """Measure everything `repeats` times.  Kinds and compressors take turns in every repeat, so a slow moment hits all alike."""
    pages = kinds()
    there, missing = codecs()
    warnings = [text for text in (busy(),) if text]
    with quiet_thread() as cpu:
        call = summary([once(over_all(_nothing, pages["noise"] * 20), 20 * len(pages["noise"])) for _ in range(repeats)])
        parts = len(there) + 1
        found = [_compressor(codec, pages, repeats, call, _part(tell, codec.name, i, parts)) for i, codec in enumerate(there)]
        costs = _costs(repeats, _part(tell, "memory", len(there), parts))
    if cpu is None:
        warnings.append("the process could not be kept on one CPU")
    unsteady = [one.name for one in found if one.compress.unsteady or one.decompress.unsteady] + [c.key for c in costs if c.time.unsteady]
    if unsteady:
        warnings.append(f"unsteady (middle half of the repeats wider than ±10 %): {', '.join(unsteady)}")
    return Found(found, costs, missing, call, cpu, machine(), warnings)


def _part(tell: Tell, name: str, number: int, parts: int) -> Callable[[float], None]:
    """What is told of one part: its share becomes one of the whole."""
    return lambda share: tell(name, (number + share) / parts)


def _nothing(page: bytes) -> bytes:
    return page


def _compressor(codec: Codec, pages: dict[str, list[bytes]], repeats: int, call: Timed, tell: Callable[[float], None]) -> Measured:
    made = {kind: [codec.compress(page) for page in some] for kind, some in pages.items()}
    for kind, some in pages.items():
        if [codec.decompress(one) for one in made[kind]] != some:
            raise RuntimeError(f"{codec.library} does not give pages back")
    samples: dict[tuple[str, bool], list[float]] = {(kind, way): [] for kind in pages for way in (True, False)}
    for repeat in range(repeats):
        for kind, some in pages.items():
            samples[kind, True].append(max(0.0, once(over_all(codec.compress, some), len(some)) - call.median))
            samples[kind, False].append(max(0.0, once(over_all(codec.decompress, made[kind]), len(some)) - call.median))
        tell((repeat + 1) / repeats)
    rows = [
        Row(kind, float(np.mean([len(one) for one in made[kind]])), summary(samples[kind, True]), summary(samples[kind, False]))
        for kind in pages
    ]
    whole = [_mean([row.compress for row in rows]), _mean([row.decompress for row in rows])]
    defaults = [parse_time(str(default(codec.name, name))) for name in ("compress_time", "decompress_time")]
    return Measured(codec.name, codec.library, rows, whole[0], whole[1], (defaults[0], defaults[1]))


def _mean(parts: list[Timed]) -> Timed:
    """Means of medians and of spreads: a slow moment that hit one sample does not count."""
    return Timed(float(np.mean([one.median for one in parts])), float(np.mean([one.spread for one in parts])))


def _costs(repeats: int, tell: Callable[[float], None]) -> list[Cost]:
    """Copies and clears of memory, a page at a time as far as the caches are concerned."""
    source, target = np.ones(COLD, np.uint8), np.ones(COLD, np.uint8)
    warm_source, warm_target = source[:WARM], target[:WARM]
    times: dict[str, list[float]] = {"copy": [], "copy_user": [], "clear": []}
    turns = COLD // WARM // 8

    def warm() -> None:
        for _ in range(turns):
            np.copyto(warm_target, warm_source)

    def cleared() -> None:
        for _ in range(turns):
            warm_target.fill(0)

    for repeat in range(repeats):
        times["copy"].append(once(lambda: np.copyto(target, source), COLD // PAGE))
        times["copy_user"].append(once(warm, turns * WARM // PAGE))
        times["clear"].append(once(cleared, turns * WARM // PAGE))
        tell((repeat + 1) / repeats)
    known = {option.name: option for option in COSTS}
    return [Cost(key, known[key].doc, summary(some), parse_time(str(known[key].default))) for key, some in times.items()]


def machine() -> str:
    """The processor and the kernel, as far as they say who they are."""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return f"{model}, {platform.system()} {platform.release()}"
