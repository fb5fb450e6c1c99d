"""The system calls a container may make: `seccomp.json`, an allow-list of ours in the engine's format.

Beside what the engine's own default refuses (mounts, namespaces, modules, bpf, keys, clocks, tracing of the machine),
ours refuses what that one leaves open:

- sockets other than Unix, TCP and UDP: vsock reaches the hypervisor also without a network, netlink, alg, packet and
  the rarer protocols are attack surface;
- io_uring, which does its work past any filter;
- ptrace, process_vm_readv and _writev, which look into other processes, and name_to_handle_at;
- sync and syncfs, which stall the disk of the whole machine;
- 32-bit and x32 calls, whose `socketcall` hides the kind of socket from a filter: their callers are killed.

What programs lose with it: gdb, strace, leak checking of sanitizers, `ip` and network interface lists.
"""

from functools import cache
from pathlib import Path

PROFILE = Path(__file__).with_name("seccomp.json")


@cache
def profile() -> str:
    """Its text."""
    return PROFILE.read_text()
