"""Many bytes of a text at once, in compiled code: 64 compared in a few vector instructions, 8 loaded as one number.

Which of 64 bytes are letters is one 64-bit number, a bit for each byte. A kernel that has such numbers for a whole text
finds the end of a word by counting zeros, and the letters of a word by counting ones, without looking at its bytes.
LLVM makes the vectors fit the processor: two instructions of AVX2 or one of AVX-512 for a comparison.

Nothing here looks whether it reads past the end: a text needs 64 bytes behind its last one. Numba's cache does not see
when this file changes; a kernel that uses it must be touched too.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import extending, types
from numba.core import cgutils

_intrinsic: Any = extending.intrinsic  # its result is called without the first argument, which its type does not know
_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_BLOCK = ir.VectorType(_I8, 64)


def _load(context: Any, builder: Any, kind: Any, array: Any, offset: Any, loaded: Any) -> Any:
    """Load a `loaded` that begins `offset` bytes behind the first of `array`, aligned or not."""
    data = builder.bitcast(context.make_array(kind)(context, builder, array).data, cgutils.voidptr_t)
    place = builder.gep(data, [offset])
    return builder.load(builder.bitcast(place, loaded.as_pointer()), align=1)


@_intrinsic
def eight_bytes(_: Any, array: Any, offset: Any) -> Any:
    """uint64: the 8 bytes from the byte `offset` (int64) of an array on, the first one lowest."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _load(context, builder, signature.args[0], args[0], args[1], _I64)

    return types.uint64(array, types.int64), generate


@_intrinsic
def bytes_in(_: Any, array: Any, offset: Any, fold: Any, first: Any, count: Any) -> Any:
    """uint64: which of the 64 bytes from `offset` on are, with the bits of `fold` set, in [first, first + count)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def everywhere(number: Any) -> Any:
            one = builder.insert_element(ir.Constant(_BLOCK, ir.Undefined), builder.trunc(number, _I8), _I32(0))
            return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(_I32, 64), [0] * 64))

        block = _load(context, builder, signature.args[0], args[0], args[1], _BLOCK)
        above = builder.sub(builder.or_(block, everywhere(args[2])), everywhere(args[3]))
        return builder.bitcast(builder.icmp_unsigned("<", above, everywhere(args[4])), _I64)

    return types.uint64(array, *[types.int64] * 4), generate


@_intrinsic
def ones(_: Any, bits: Any) -> Any:
    """int64: how many bits of a uint64 are set."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(types.uint64), generate


@_intrinsic
def zeros_before(_: Any, bits: Any) -> Any:
    """int64: how many bits below the lowest one that is set are not; `bits`, a uint64, is not 0."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate
