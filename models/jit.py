"""The `compiled` decorator: Numba with explicit signatures and a disk cache that notices every change.

Numba's own cache looks only at the file of the compiled function; a change in a module that it calls would silently run
the old code.  Here each module has a cache folder of its own, keyed by its source and the source of every `models` module it
imports, directly or not.  Old keys are pruned, a read-only home falls back to a temporary folder, and a damaged entry
(an empty or truncated file after a crash) is a miss.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import os
import platform
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from numba.core import config as numba_config

ROOT = Path(__file__).resolve().parent.parent
EXPECTED_SECONDS = 45  # cold compile of everything a run needs, two-core server of 2025

announce: Callable[[str], None] | None = None  # where the one line about compiling goes; None is standard error

_compile_seconds = 0.0
_announced = False


def _say(text: str) -> None:
    if announce is not None:
        announce(text)
    else:
        print(text, file=sys.stderr, flush=True)


def _module_file(name: str) -> Path | None:
    base = ROOT.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in found if name.split(".")[0] == "models"}


@cache
def _sources(file: str) -> tuple[str, ...]:
    """The file and every `models` file that it imports, directly or not, sorted."""
    seen: set[Path] = set()
    todo = [Path(file)]
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        todo.extend(p for name in _imports(path) if (p := _module_file(name)) is not None)
    return tuple(sorted(str(p) for p in seen))


@cache
def _key(file: str) -> str:
    digest = hashlib.sha256()
    for part in (numba.__version__, llvmlite.__version__, np.__version__, platform.machine(), sys.version):
        digest.update(part.encode() + b"\0")
    for source in _sources(file):
        digest.update(Path(source).read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@cache
def cache_root() -> Path:
    """A folder we may write to: MEMPRESS_CACHE, the user's cache folder, or a temporary one."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    wanted = [Path(p) for p in (os.environ.get("MEMPRESS_CACHE"),) if p] or [home / "mempress"]
    for folder in wanted:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    return Path(tempfile.mkdtemp(prefix="mempress-cache-"))


@cache
def _folder(file: str) -> Path:
    """The cache folder of one module in its present state; folders of earlier states are removed."""
    where = hashlib.sha256(file.encode()).hexdigest()[:8]
    parent = cache_root() / f"{Path(file).stem}-{where}"
    folder = parent / _key(file)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in parent.iterdir():
            if old != folder and time.time() - old.stat().st_mtime > 3600:
                shutil.rmtree(old, ignore_errors=True)
    except OSError:
        pass
    return folder


def _tolerant(function_cache: Any, folder: Path) -> None:
    """Make a damaged cache entry a miss, and report the first real miss."""
    load, save = function_cache.load_overload, function_cache.save_overload

    def load_overload(sig: Any, target_context: Any) -> Any:
        global _announced
        try:
            found = load(sig, target_context)
        except Exception:  # whatever a damaged pickle raises, compiling again is right
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
            found = None
        if found is None and not _announced:
            _announced = True
            _say(f"mempress: compiling the models for this machine, once; about {EXPECTED_SECONDS} s ...")
        return found

    def save_overload(sig: Any, data: Any) -> None:
        with contextlib.suppress(OSError):  # a full or read-only disk costs time at the next start, not the run
            save(sig, data)

    function_cache.load_overload = load_overload
    function_cache.save_overload = save_overload


def compiled(signature: Any, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function for one explicit signature, now or from the disk cache.

    signature: a Numba signature such as `int64(pool_t, int64)`.  options: passed to `numba.njit`.
    With NUMBA_DISABLE_JIT=1 the plain function is returned.
    """

    def wrap(function: Callable[..., Any]) -> Any:
        global _compile_seconds
        if numba_config.DISABLE_JIT:
            return function
        file = str(Path(function.__code__.co_filename).resolve())
        folder = _folder(file)
        before = numba_config.CACHE_DIR
        numba_config.CACHE_DIR = str(folder)
        start = time.perf_counter()
        try:
            dispatcher = numba.njit(**options)(function)
            try:
                dispatcher.enable_caching()
                _tolerant(dispatcher._cache, folder)
            except (RuntimeError, OSError):
                pass  # no writable place at all: compile in memory
            with warnings.catch_warnings():
                # function values are what keeps the engine independent of its parts; Numba calls them experimental
                warnings.simplefilter("ignore", numba.NumbaExperimentalFeatureWarning)
                dispatcher.compile(signature)
            dispatcher.disable_compile()
        finally:
            numba_config.CACHE_DIR = before
        _compile_seconds += time.perf_counter() - start
        return dispatcher

    return wrap


def outlined(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """As `compiled`, for a function that LLVM is to call, not to copy into each of its callers: whatever is large or rare."""
    return compiled(signature, pipeline_class=_outlined_pipeline())


@cache
def _outlined_pipeline() -> Any:
    from models.outline import Outlined

    return Outlined


def inlined(function: Callable[..., Any]) -> Any:
    """A small helper without a signature of its own: compiled inside each caller."""
    return numba.njit(inline="never")(function) if not numba_config.DISABLE_JIT else function


def uncounted(function: Callable[..., Any]) -> Any:
    """As `inlined`, for a helper that neither makes an array nor keeps one: no references are counted in it.

    A View's arrays have none (models.borrow), but each helper that takes one still calls a function that finds out (*measured* in z3fold:
    40 calls an operation, a third of its time).  So a `compiled` function that only calls such a helper, with the View and not
    its arrays, has none of these calls.  Python cannot call it.
    """
    if numba_config.DISABLE_JIT:
        return function
    return numba.njit(inline="never", _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)


def report_compile_time() -> None:
    """Say how long compiling took, if it had to be done in this process and was not said yet."""
    global _compile_seconds
    if _announced and _compile_seconds:
        _say(f"mempress: compiled in {_compile_seconds:.0f} s; the next start takes it from {cache_root()}")
        _compile_seconds = 0.0
