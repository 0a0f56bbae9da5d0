"""Compile the models before the workers of a test run start: each of them would else compile everything, all of them the same.

python -m tests.compile_first CLAIMS      imports modules of models, those that no other process has claimed in the folder CLAIMS
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pkgutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONGEST = ("models.memory.steps", "models.policies.replacement")  # they import much else: first, so that all end together
PROCESSES = 2


def compile_all() -> None:
    """In two processes; what fails shows in the tests."""
    with tempfile.TemporaryDirectory() as claims:
        command = [sys.executable, "-m", "tests.compile_first", claims]
        for process in [subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}) for _ in range(PROCESSES)]:
            process.wait()


def claimed(folder: Path, module: str) -> bool:
    """Whether this process is the first that wants the module."""
    try:
        (folder / module).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def main(claims: str) -> None:
    every = [module.name for module in pkgutil.walk_packages([str(ROOT / "models")], "models.")]
    for module in (*LONGEST, *every):
        if claimed(Path(claims), module):
            with contextlib.suppress(ImportError):  # an extra that is not installed
                importlib.import_module(module)


if __name__ == "__main__":
    main(sys.argv[1])
