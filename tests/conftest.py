"""The order of the suite; and compiling before it is shared out."""

from __future__ import annotations

import pytest

from tests.compile_first import compile_all


def pytest_configure(config: pytest.Config) -> None:
    """In the process that starts workers (pytest -n)."""
    if getattr(config.option, "dist", "no") != "no" and not hasattr(config, "workerinput"):
        compile_all()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What leaves threads behind comes last: Dask's stay, and with another thread about workers are spawned, which takes seconds each."""
    items.sort(key=lambda item: item.path.name == "test_dask.py")
