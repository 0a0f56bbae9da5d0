"""Views of structrefs: compiled code reads their fields without counting references.

Reading a field that is an array or another structref takes a reference and drops it again, two atomic instructions, and so does
passing it on; a fault with reclaim into a pool reads about a hundred (*measured*: a quarter of its time).  All state here is held
by Python for longer than any call, so nothing has to be counted: compiled functions take a `View`, which is the bare address of
the structref's payload, and a structref that holds another holds its View.

    Pool = view_of(PoolType, fields)        # Pool.owner: what a constructor makes and returns; Pool: what all others take
    boxed(Pool)                             # lets Python hold it; typed as the View wherever it is passed

A View can also be kept as a number (`address_of`, `view_at`), where a structref has no field for it.
"""

from __future__ import annotations

from numba.core import cgutils, types
from numba.core.datamodel import default_manager, models
from numba.core.imputils import lower_getattr_generic
from numba.core.typing.templates import AttributeTemplate
from numba.experimental import structref
from numba.extending import NativeValue, infer_getattr, intrinsic, unbox


class View(types.Type):
    """The address of a structref's fields; whoever holds the structref keeps it valid."""

    def __init__(self, owner):
        self.owner = owner
        # the class's name alone: a structref's own name lists all its fields, and stands in the name of every function that takes it
        super().__init__(name=f"view({type(owner).__name__})")

    @property
    def key(self):
        return self.owner


default_manager.register(View, models.OpaqueModel)


@infer_getattr
class _Fields(AttributeTemplate):
    key = View

    def generic_resolve(self, typ, attr):
        return typ.owner.field_dict.get(attr)


@lower_getattr_generic(View)
def _read_field(context, builder, typ, value, attr):
    payload = typ.owner.get_data_type()
    shape = context.data_model_manager[payload].get_value_type()
    fields = cgutils.create_struct_proxy(payload)(context, builder, ref=builder.bitcast(value, shape.as_pointer()))
    field, found = typ.owner.field_dict[attr], getattr(fields, attr)
    if not isinstance(field, types.Array):
        return found
    array = context.make_helper(builder, field, value=found)
    array.meminfo = cgutils.get_null_value(array.meminfo.type)
    array.parent = cgutils.get_null_value(array.parent.type)
    return array._getvalue()


@unbox(View)
def _from_python(typ, obj, c):
    """The payload's address, out of the memory block that the Python object holds."""
    holder = c.pyapi.object_getattr_string(obj, "_meminfo")
    kind = types.MemInfoPointer(types.voidptr)
    block = c.unbox(kind, holder).value
    address = c.context.nrt.meminfo_data(c.builder, block)
    c.context.nrt.decref(c.builder, kind, block)  # unboxing took a reference, and the object holds one anyway
    c.pyapi.decref(holder)
    return NativeValue(address)


@intrinsic
def address_of(typingctx, view):
    """A View as an int64."""

    def lower(context, builder, signature, args):
        return builder.ptrtoint(args[0], context.get_value_type(types.int64))

    return types.int64(view), lower


def view_at(view):
    """A compiled function that gives the View of this type back from its int64."""

    @intrinsic
    def at(typingctx, address):
        def lower(context, builder, signature, args):
            return builder.inttoptr(args[0], context.get_value_type(view))

        return view(types.int64), lower

    return at


def view_of(struct_class, fields):
    """Register a structref class and give the View of the type with these fields."""
    structref.register(struct_class)
    return View(struct_class(fields))


def boxed(view, name):
    """Class of the Python objects that hold such a structref; they count as the View in every call."""

    class Holder(structref.StructRefProxy):
        """Opaque to Python, which keeps its own views of the arrays."""

        @property
        def _numba_type_(self):
            return view

    Holder.__name__ = Holder.__qualname__ = name
    structref.define_boxing(type(view.owner), Holder)
    return Holder
