"""The assembler of seccomp filters."""

import struct

import pytest

from outlay.sandbox.guest.bpf import Jump, Label, Load, Return, assemble, command_filter
from outlay.sandbox.guest.syscalls import ARCHITECTURES, IPC, REFUSED

EQUAL, AT_LEAST, ANY_BIT = 0x15, 0x35, 0x45
ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026


def verdict(program: bytes, number: int, *arguments: int, audit: int) -> int:
    """What the kernel would decide: a machine with one register, as in `man 2 bpf` of old."""
    words = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    call = struct.pack("<iIQ6Q", number, audit, 0, *words)
    at, loaded = 0, 0
    while True:
        code, yes, no, value = struct.unpack_from("<HBBI", program, 8 * at)
        at += 1
        match code:
            case 0x20:
                (loaded,) = struct.unpack_from("<I", call, value)
            case 0x06:
                return int(value)
            case _:
                holds = {EQUAL: loaded == value, AT_LEAST: loaded >= value, ANY_BIT: bool(loaded & value)}[code]
                at += yes if holds else no


def test_jumps_land_on_their_labels() -> None:
    program = assemble([Load(0), Jump(EQUAL, 7, "seven"), Return(1), Label("seven"), Return(2)])
    assert [verdict(program, number, audit=0) for number in (6, 7)] == [1, 2]


def test_a_label_that_is_not_there_and_a_jump_back_are_errors() -> None:
    with pytest.raises(KeyError):
        assemble([Jump(EQUAL, 0, "nowhere")])
    with pytest.raises(struct.error):
        assemble([Label("back"), Load(0), Jump(EQUAL, 0, "back")])


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_calls_are_judged_by_number_and_arguments(name: str) -> None:
    machine = ARCHITECTURES[name]
    program = command_filter(machine, network=False, ipc=False)
    af_unix, af_inet, af_vsock, new_user, threads, tiocsti, tcgets = 1, 2, 40, 0x10000000, 0x3D0F00, 0x5412, 0x5401

    def judged(call: str, *arguments: int) -> int:
        return verdict(program, machine.numbers[call], *arguments, audit=machine.audit)

    assert {judged(call) for call in (*REFUSED, *IPC) if call in machine.numbers} == {EPERM}
    assert {judged("socket", family) for family in (af_unix, af_inet, af_vsock)} == {EPERM}
    assert (judged("socketpair", af_unix), judged("socketpair", af_inet)) == (ALLOW, EPERM)
    assert (judged("clone", new_user), judged("clone", threads), judged("clone3")) == (EPERM, ALLOW, ENOSYS)
    assert (judged("ioctl", 0, tiocsti), judged("ioctl", 0, tcgets)) == (EPERM, ALLOW)
    assert (judged("prlimit64", 0), judged("prlimit64", 4711)) == (ALLOW, EPERM)
    assert verdict(program, 1, audit=machine.audit) == ALLOW
    assert verdict(program, 1, audit=0x40000003) == KILL  # i386


def test_the_calls_of_x32_kill_and_a_network_opens_sockets() -> None:
    machine = ARCHITECTURES["x86_64"]
    assert verdict(command_filter(machine, network=False, ipc=True), 0x40000001, audit=machine.audit) == KILL
    open_program = command_filter(machine, network=True, ipc=True)
    for call in ("socket", "shmget"):
        assert verdict(open_program, machine.numbers[call], 2, audit=machine.audit) == ALLOW
