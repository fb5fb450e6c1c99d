"""Numbers of the system calls that the filter knows, and which of them no command may make.

Source: Linux 6.18, `arch/x86/entry/syscalls/syscall_64.tbl` and `scripts/syscall.tbl`. Calls younger than 5.1 have the
same number on every architecture.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

_EVERYWHERE = {
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "clone3": 435,
    "pidfd_getfd": 438,
    "mount_setattr": 442,
    "quotactl_fd": 443,
    "open_tree_attr": 467,
}

_X86_64 = {
    "socket": 41,
    "socketpair": 53,
    "clone": 56,
    "ioctl": 16,
    "prlimit64": 302,
    "capget": 125,
    "capset": 126,
    "shmget": 29,
    "shmat": 30,
    "shmctl": 31,
    "semget": 64,
    "semop": 65,
    "semctl": 66,
    "semtimedop": 220,
    "msgget": 68,
    "msgsnd": 69,
    "msgrcv": 70,
    "msgctl": 71,
    "mq_open": 240,
    "mq_unlink": 241,
    "ptrace": 101,
    "syslog": 103,
    "vhangup": 153,
    "modify_ldt": 154,
    "pivot_root": 155,
    "chroot": 161,
    "acct": 163,
    "settimeofday": 164,
    "mount": 165,
    "umount2": 166,
    "swapon": 167,
    "swapoff": 168,
    "reboot": 169,
    "sethostname": 170,
    "setdomainname": 171,
    "iopl": 172,
    "ioperm": 173,
    "init_module": 175,
    "delete_module": 176,
    "quotactl": 179,
    "clock_settime": 227,
    "kexec_load": 246,
    "add_key": 248,
    "request_key": 249,
    "keyctl": 250,
    "migrate_pages": 256,
    "unshare": 272,
    "move_pages": 279,
    "perf_event_open": 298,
    "fanotify_init": 300,
    "open_by_handle_at": 304,
    "setns": 308,
    "process_vm_readv": 310,
    "process_vm_writev": 311,
    "kcmp": 312,
    "finit_module": 313,
    "kexec_file_load": 320,
    "bpf": 321,
    "userfaultfd": 323,
}

_AARCH64 = {
    "socket": 198,
    "socketpair": 199,
    "clone": 220,
    "ioctl": 29,
    "prlimit64": 261,
    "capget": 90,
    "capset": 91,
    "shmget": 194,
    "shmat": 196,
    "shmctl": 195,
    "semget": 190,
    "semop": 193,
    "semctl": 191,
    "semtimedop": 192,
    "msgget": 186,
    "msgsnd": 189,
    "msgrcv": 188,
    "msgctl": 187,
    "mq_open": 180,
    "mq_unlink": 181,
    "ptrace": 117,
    "syslog": 116,
    "vhangup": 58,
    "pivot_root": 41,
    "chroot": 51,
    "acct": 89,
    "settimeofday": 170,
    "mount": 40,
    "umount2": 39,
    "swapon": 224,
    "swapoff": 225,
    "reboot": 142,
    "sethostname": 161,
    "setdomainname": 162,
    "init_module": 105,
    "delete_module": 106,
    "quotactl": 60,
    "clock_settime": 112,
    "kexec_load": 104,
    "add_key": 217,
    "request_key": 218,
    "keyctl": 219,
    "migrate_pages": 238,
    "unshare": 97,
    "move_pages": 239,
    "perf_event_open": 241,
    "fanotify_init": 262,
    "open_by_handle_at": 265,
    "setns": 268,
    "process_vm_readv": 270,
    "process_vm_writev": 271,
    "kcmp": 272,
    "finit_module": 273,
    "kexec_file_load": 294,
    "bpf": 280,
    "userfaultfd": 282,
}

_LEFT = frozenset({"socket", "socketpair", "clone", "clone3", "ioctl", "prlimit64", "capget", "capset"})
"""Not refused, or only for some of their arguments, or only without a network."""
IPC = tuple(name for name in _X86_64 if name.startswith(("shm", "sem", "msg", "mq_")))
"""System V and POSIX queues, memory and semaphores."""
REFUSED = tuple(name for name in (*_X86_64, *_EVERYWHERE) if name not in _LEFT and name not in IPC)
"""Calls that reach other processes, mounts, namespaces, the kernel's own code, keys, the clock, or that widen what can
be attacked of the kernel.
"""


class Architecture(NamedTuple):
    """A machine's calls."""

    audit: int
    """AUDIT_ARCH_..., as the kernel names it to a filter."""
    numbers: Mapping[str, int]
    seccomp: int
    """Number of seccomp(2)."""
    has_x32: bool = False


ARCHITECTURES = {
    "x86_64": Architecture(0xC000003E, _X86_64 | _EVERYWHERE, seccomp=317, has_x32=True),
    "aarch64": Architecture(0xC00000B7, _AARCH64 | _EVERYWHERE, seccomp=277),
}
"""By `os.uname().machine`."""


def here() -> Architecture | None:
    """This machine's; None where we have no numbers of it."""
    return ARCHITECTURES.get(os.uname().machine)
