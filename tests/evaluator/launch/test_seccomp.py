"""The filter's program does what is said, on both processors: executed here by the rules of classic BPF."""

import struct

import pytest

from evaluator.launch.seccomp import Refusal, program, refusals
from evaluator.launch.syscalls import AUDIT_ARCHITECTURE, NEWEST, numbers

ALLOWED, KILLED = 0x7FFF0000, 0x80000000
MACHINES = tuple(AUDIT_ARCHITECTURE)
EPERM, ENOSYS = 1, 38


def decide(code: bytes, machine_word: int, number: int, *arguments: int) -> int:
    """What the kernel would answer: the action, with an errno in its lower half."""
    data = struct.pack("=IIQ6Q", number, machine_word, 0, *(arguments + (0,) * 6)[:6])
    steps = [struct.unpack_from("=HBBI", code, at) for at in range(0, len(code), 8)]
    at = word = 0
    while True:
        operation, if_true, if_false, value = steps[at]
        at += 1
        if operation == 0x20:
            (word,) = struct.unpack_from("=I", data, value)
        elif operation == 0x54:
            word &= value
        elif operation == 0x15:
            at += if_true if word == value else if_false
        elif operation == 0x25:
            at += if_true if word > value else if_false
        else:
            assert operation == 0x06
            return value


def filter_for(machine: str, **changed: object) -> bytes:
    given = {"shares_user": True, "scoped": False, "pid": 77} | changed
    return program(refusals(**given), machine)  # type: ignore[arg-type]


def answer(machine: str, call: str, *arguments: int, **changed: object) -> int:
    code = filter_for(machine, **changed)
    return decide(code, AUDIT_ARCHITECTURE[machine], numbers(machine)[call], *arguments)


def refused(code: int) -> int:
    return 0x50000 | code


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("call", "arguments", "expected"),
    [
        ("ptrace", (0,), refused(EPERM)),
        ("bpf", (), refused(EPERM)),
        ("io_uring_setup", (), refused(EPERM)),
        ("socket", (2, 1), refused(97)),
        ("socket", (10, 2), refused(97)),
        ("socket", (1, 1 | 0o2000000), ALLOWED),  # SOCK_CLOEXEC beside the type
        ("socketpair", (1, 5), ALLOWED),
        ("socketpair", (1, 2), refused(93)),
        ("connect", (3,), refused(EPERM)),
        ("clone", (0x3D0F00,), ALLOWED),  # what pthread_create asks for
        ("clone", (0x10000000 | 17,), refused(EPERM)),
        ("clone", (0x00020011,), refused(EPERM)),
        ("clone3", (), refused(ENOSYS)),
        ("prlimit64", (0,), ALLOWED),
        ("prlimit64", (4321,), refused(EPERM)),
        ("ioctl", (0, 0x5412), refused(EPERM)),
        ("ioctl", (0, 0xC020462A), ALLOWED),  # NVIDIA's
        ("fcntl", (3, 8), refused(EPERM)),
        ("fcntl", (3, 4), ALLOWED),
        ("prctl", (4, 0), refused(EPERM)),
        ("prctl", (15, 0), ALLOWED),  # naming a thread
        ("sched_setaffinity", (0,), ALLOWED),
        ("sched_setaffinity", (5,), refused(EPERM)),
    ],
)
def test_each_call_gets_its_answer(machine: str, call: str, arguments: tuple[int, ...], expected: int) -> None:
    assert answer(machine, call, *arguments) == expected


@pytest.mark.parametrize("machine", MACHINES)
def test_signals_and_metadata_are_refused_only_where_nothing_else_guards_them(machine: str) -> None:
    assert answer(machine, "kill", 1) == refused(EPERM)
    assert answer(machine, "tgkill", 77) == ALLOWED
    assert answer(machine, "tgkill", 78) == refused(EPERM)
    assert answer(machine, "kill", 1, scoped=True) == ALLOWED
    assert answer(machine, "fchmodat", 0, scoped=True) == refused(EPERM)
    assert answer(machine, "kill", 1, shares_user=False) == ALLOWED
    assert answer(machine, "fchmodat", 0, shares_user=False) == ALLOWED


@pytest.mark.parametrize("machine", MACHINES)
def test_other_ways_into_the_kernel_are_closed(machine: str) -> None:
    code, architecture = filter_for(machine), AUDIT_ARCHITECTURE[machine]
    assert decide(code, 0x40000003, 20) == KILLED  # 32-bit x86
    assert decide(code, architecture, 0x40000000 | 41) == KILLED  # x86-64's second ABI
    assert decide(code, architecture, NEWEST + 1) == refused(ENOSYS)


def test_every_name_is_known() -> None:
    listed = refusals(shares_user=True, scoped=False, pid=1)
    assert {refusal.call for refusal in listed} == set(numbers("x86_64"))
    # The calls that take a path without a folder are older than the second processor.
    older = {"chmod", "chown", "lchown", "utime", "utimes", "futimesat"}
    assert set(numbers("x86_64")) - set(numbers("aarch64")) == older


def test_several_values_are_each_compared() -> None:
    code = program([Refusal("fcntl", argument=1, when=(8, 10, 15)), Refusal("ptrace")], "x86_64")
    for value in range(20):
        expected = refused(EPERM) if value in (8, 10, 15) else ALLOWED
        assert decide(code, AUDIT_ARCHITECTURE["x86_64"], 72, 0, value) == expected
    assert decide(code, AUDIT_ARCHITECTURE["x86_64"], 101) == refused(EPERM)
