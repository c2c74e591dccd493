"""Values as data, and the filter of system calls on both architectures."""

import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midtrain.verify.sandbox import plain, syscalls

KEYS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
HASHABLE = st.recursive(KEYS, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=6)
VALUES = st.recursive(
    HASHABLE | st.complex_numbers(allow_nan=False) | st.text(st.characters(codec=None)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.sets(HASHABLE, max_size=4)
        | st.dictionaries(HASHABLE, inner, max_size=4)
    ),
    max_leaves=12,
)


def kinds(value):
    if isinstance(value, (list, tuple)):
        return type(value), [kinds(item) for item in value]
    return type(value)


@settings(max_examples=40, deadline=None)
@given(VALUES)
def test_what_goes_in_comes_out(value):
    back = plain.loads(plain.dumps(value))
    assert back == value
    assert kinds(back) == kinds(value)
    assert plain.same(back, value)


@given(st.binary(max_size=200) | st.text(alphabet='[]{}"list,setdict:0123456789.e-x', max_size=60).map(str.encode))
def test_whatever_bytes_come_they_are_a_value_or_refused(data):
    try:
        value = plain.loads(data)
    except plain.NotPlain:
        return
    assert plain.same(plain.loads(plain.dumps(value)), value)


@pytest.mark.parametrize(
    "data", [b"{}", b"[]", b'["set",["list"]]', b'["dict",1]', b"[" * 10**5, b'["int","zz"]', b'["os.system","x"]', b""]
)
def test_what_says_no_value_is_refused(data):
    with pytest.raises(plain.NotPlain):
        plain.loads(data)


def test_keys_made_to_collide_are_refused_and_honest_ones_are_not():
    with pytest.raises(plain.NotPlain):
        plain.loads(b'["set",' + b",".join(b'["int","%x"]' % (k * (2**61 - 1)) for k in range(1, 3000)) + b"]")
    assert plain.loads(plain.dumps(set(range(5000)))) == set(range(5000))


def test_subclasses_cross_as_what_they_hold_and_objects_do_not_cross():
    class Equal(int):
        def __eq__(self, other):
            return True

        __hash__ = int.__hash__

    assert plain.encode([Equal(3)]) == ["list", 3]
    assert type(plain.loads(plain.dumps(Equal(3)))) is int
    with pytest.raises(plain.NotPlain, match="object"):
        plain.dumps([object()])


def test_equality_tells_kinds_apart_but_not_two_from_two_point_zero():
    assert plain.same([2, {"a": 1.0}], [2.0, {"a": 1}])
    assert plain.same(math.nan, math.nan)
    assert not plain.same(True, 1)
    assert not plain.same([1], (1,))
    assert not plain.same({1}, {True})
    assert not plain.same({1: "a"}, {True: "a"})
    assert not plain.same("1", 1)
    assert not plain.same([1], [1, 2])


def test_tolerance_is_absolute_or_relative_to_the_right():
    assert plain.same([1.0], [1.05], absolute=0.1)
    assert not plain.same([1.0], [1.05], absolute=0.01)
    assert plain.same(1000.0, 1001, relative=0.01)
    assert not plain.same(math.inf, 1.0, relative=10)
    assert not plain.same(10**400, 1.5, relative=0.1)


def decide(code, number, *arguments, arch=0xC000003E):
    """What a classic BPF program returns for a system call: an interpreter of the few instructions it uses."""
    data = struct.pack("<IIQ6Q", number, arch, 0, *arguments, *[0] * (6 - len(arguments)))
    program = list(struct.iter_unpack("<HBBI", code))
    place, accumulator = 0, 0
    while True:
        operation, yes, no, value = program[place]
        place += 1
        if operation == 0x20:
            accumulator = struct.unpack_from("<I", data, value)[0]
        elif operation == 0x54:
            accumulator &= value
        elif operation == 0x06:
            return value
        else:
            hit = {0x15: accumulator == value, 0x25: accumulator > value, 0x45: bool(accumulator & value)}[operation]
            place += yes if hit else no


ALLOW, EPERM, ENOSYS, KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000


@pytest.mark.parametrize(("machine", "arch"), [("x86_64", 0xC000003E), ("aarch64", 0xC00000B7)])
def test_the_filter_on_both_architectures(machine, arch):
    x86 = machine == "x86_64"
    code = syscalls.build_filter(machine, execute=False, children=False, private_folder=False, pid=77)

    def ask(numbers, *arguments):
        return decide(code, numbers[0 if x86 else 1], *arguments, arch=arch)

    socket, clone, kill, fcntl, ptrace, execve, openat = (
        (41, 198),
        (56, 220),
        (62, 129),
        (72, 25),
        (101, 117),
        (59, 221),
        (257, 56),
    )
    assert ask(openat) == ALLOW
    assert [ask(call) for call in (socket, ptrace, execve)] == [EPERM] * 3
    assert ask(clone, 0x3D0F00) == ALLOW  # a thread, as glibc makes it
    assert ask(clone, 17) == EPERM
    assert ask(clone, 0x3D0F00 | 0x10000000) == EPERM
    assert (ask(kill, 77), ask(kill, 78), ask(kill, (1 << 32) - 1)) == (ALLOW, EPERM, EPERM)
    assert (ask(fcntl, 5, 4), ask(fcntl, 5, 8)) == (ALLOW, EPERM)
    assert (ask((53, 199), 1, 0o2000001), ask((53, 199), 1, 2), ask((53, 199), 2, 1)) == (ALLOW, EPERM, EPERM)
    assert (ask((435, 435)), ask((462, 462))) == (ENOSYS, ENOSYS)
    assert decide(code, 0, arch=0x40000003) == KILL
    if x86:
        assert decide(code, 0x40000000 + 1) == KILL
    free = syscalls.build_filter(machine, execute=True, children=True, private_folder=True, pid=None)
    assert decide(free, execve[0 if x86 else 1], arch=arch) == ALLOW
    assert decide(free, clone[0 if x86 else 1], 17, arch=arch) == ALLOW
    assert decide(free, clone[0 if x86 else 1], 0x10000011, arch=arch) == EPERM
    assert len(code) // 8 < 4096
