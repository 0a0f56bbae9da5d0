"""The order of the suite."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What leaves threads behind comes last: Dask's stay, and with another thread about workers are spawned, which takes seconds each."""
    items.sort(key=lambda item: item.path.name == "test_dask.py")
