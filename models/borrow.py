"""Arrays of a structref without counting references: two atomic instructions less a field.

`pool.num` in compiled code takes a reference to the array and drops it at the end, about 10 ns together, and so does
passing it on.  A function that lives shorter than the structref it was given needs neither.
"""

from __future__ import annotations

from numba import types
from numba.core import cgutils
from numba.core.imputils import impl_ret_borrowed, lower_getattr_generic
from numba.experimental import structref
from numba.experimental.structref import _Utils


def borrowing(struct_class):
    """Class decorator in place of `structref.register`: every read of an array field borrows.

    *Measured*: a fault with reclaim into a pool reads about a hundred fields.  Safe where the structref outlives the call, which
    is so for all state here: Python holds it.  Fields that are structrefs themselves are counted as ever.
    """
    structref.register(struct_class)

    @lower_getattr_generic(struct_class)
    def read_field(context, builder, typ, val, attr):
        data = _Utils(context, builder, typ).get_data_struct(val)
        field = typ.field_dict[attr]
        if not isinstance(field, types.Array):
            return impl_ret_borrowed(context, builder, field, getattr(data, attr))
        view = context.make_helper(builder, field, value=getattr(data, attr))
        view.meminfo = cgutils.get_null_value(view.meminfo.type)
        view.parent = cgutils.get_null_value(view.parent.type)
        return view._getvalue()

    return struct_class
