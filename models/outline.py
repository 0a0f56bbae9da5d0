"""A Numba pipeline whose functions LLVM may not copy into their callers.

Without it a deep engine grows beyond measure: each layer copies the one below, several times (*measured* with page cache and reclaim below
one loop: 27 MB of code for it, 500 MB of memory in each process, 2 s at each start).  A call costs 1 to 2 ns.
"""

from __future__ import annotations

from typing import Any

from numba.core import lowering
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import BaseNativeLowering, NativeLowering


class _Lower(lowering.Lower):  # type: ignore[misc]
    def setup_function(self, fndesc: Any) -> None:
        super().setup_function(fndesc)
        self.function.attributes.add("noinline")


@register_pass(mutates_CFG=True, analysis_only=False)
class _Lowering(BaseNativeLowering):  # type: ignore[misc]
    _name = "outlined_native_lowering"

    @property
    def lowering_class(self) -> Any:
        return _Lower


class Outlined(CompilerBase):  # type: ignore[misc]
    """The usual pipeline, but for the attribute that keeps a function apart."""

    def define_pipelines(self) -> list[Any]:
        manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
        manager.passes = [(_Lowering if step is NativeLowering else step, text) for step, text in manager.passes]
        manager.finalize()
        return [manager]
