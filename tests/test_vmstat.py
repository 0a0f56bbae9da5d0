"""Names of /proc/vmstat: complete, in the kernel's order, and what is said of those that are not modelled."""

from __future__ import annotations

import fnmatch
import gzip
import json
import re
from pathlib import Path

import pytest

from models import vmstat
from models.vmstat import COUNT, INDEX, NAMES, NAMES_61, names_of

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
OUTSIDE = re.compile(r"_device$|^nr_unstable$")  # device memory, and the file's last line: not in 6.1's list


def _shared(path: str) -> Path:
    """A shared file, the test being skipped without it."""
    found = SHARED / path
    if not found.exists():
        pytest.skip(f"{found} is not here")
    return found


def test_every_name_has_one_place() -> None:
    assert len(set(NAMES)) == COUNT == len(INDEX)
    assert NAMES[: len(NAMES_61)] == NAMES_61  # the places of 6.1 do not move
    assert set(names_of("6.1")) | set(names_of("6.12")) == set(NAMES)


def test_the_list_of_6_1_is_the_reference() -> None:
    listed = _shared("reference/tables/vmstat_names_6.1.txt").read_text(encoding="ascii").split()
    assert list(names_of("6.1")) == listed


@pytest.mark.parametrize(("kernel", "run"), [("6.1", "A_disk_hc_1.5.r1"), ("6.12", "K612_lg0_F_disk_mmap.r1")])
def test_the_order_is_that_of_measured_guests(kernel: str, run: str) -> None:
    path = _shared(f"groundtruth/runs/{run}.json.gz")
    with gzip.open(path) as file:
        before = json.load(file)["phases"][0]["before"]
    guest = [key.removeprefix("vmstat.") for key in before if key.startswith("vmstat.")]
    if kernel == "6.1":
        guest = [name for name in guest if not OUTSIDE.search(name)]
    ours = [name for name in names_of(kernel) if name in guest]
    assert ours == guest  # each of the guest's names, in its order


def test_6_12_has_what_6_1_has_not() -> None:
    names = names_of("6.12")
    at = names.index("swap_ra_hit")
    assert names[at + 1 : at + 3] == ("swpin_zero", "swpout_zero")
    assert names[names.index("zswpout") + 1] == "zswpwb"
    assert not {"swpin_zero", "swpout_zero", "zswpwb"} & set(names_of("6.1"))


def test_what_is_called_not_modelled_is_not_counted() -> None:
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    patterns = text.split("## Names in vmstat.txt")[1].split("```text\n")[1].split("```")[0].split()
    assert tuple(patterns) == vmstat.NOT_MODELLED
    assert all(fnmatch.filter(NAMES, pattern) for pattern in patterns)
    left_out = {name for pattern in patterns for name in fnmatch.filter(NAMES, pattern)}
    constants = {name.lower() for name, value in vars(vmstat).items() if name.isupper() and isinstance(value, int)}
    assert not left_out & constants
