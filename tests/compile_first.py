"""Compile the models before the workers of a test run start: each of them would else compile everything, all of them the same.

    python -m tests.compile_first FOLDER...       imports models/FOLDER

Two processes share the work, about evenly.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENGINE = ("memory", "policies", "backends", "workloads")
REST = ("allocators", "cache", "contents", "compressors", "lifetimes")


def compile_all() -> None:
    """Both shares, beside each other; what fails shows in the tests."""
    commands = [[sys.executable, "-m", "tests.compile_first", *share] for share in (ENGINE, REST)]
    for process in [subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}) for command in commands]:
        process.wait()


def main(folders: list[str]) -> None:
    for folder in folders:
        for module in pkgutil.walk_packages([str(ROOT / "models" / folder)], f"models.{folder}."):
            importlib.import_module(module.name)


if __name__ == "__main__":
    main(sys.argv[1:])
