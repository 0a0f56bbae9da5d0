"""Arrays of a structref without counting references: two atomic instructions less a field.

`pool.num` in compiled code takes a reference to the array and drops it at the end, about 10 ns together, and so does
passing it on.  A function that lives shorter than the structref it was given needs neither.
"""

from __future__ import annotations

from numba import types
from numba.core import cgutils
from numba.experimental.structref import _Utils
from numba.extending import intrinsic


@intrinsic(prefer_literal=True)
def borrow(typingctx, struct, field):
    """`borrow(struct, "field")`: the array in that field, valid as long as the caller's `struct` is; do not store or return it."""
    if not isinstance(field, types.StringLiteral) or field.literal_value not in struct.field_dict:
        return None
    name = field.literal_value
    array = struct.field_dict[name]
    if not isinstance(array, types.Array):
        return None

    def codegen(context, builder, signature, args):
        data = _Utils(context, builder, struct).get_data_struct(args[0])
        view = context.make_helper(builder, array, value=getattr(data, name))
        view.meminfo = cgutils.get_null_value(view.meminfo.type)
        view.parent = cgutils.get_null_value(view.parent.type)
        return view._getvalue()

    return array(struct, field), codegen
