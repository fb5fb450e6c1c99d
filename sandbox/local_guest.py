"""A guest as a child of ours: its modules are read from where ours are, instead of being sent."""

import asyncio
import json
import os
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from outlay.sandbox import guest
from outlay.sandbox.cgroup import Group
from outlay.sandbox.channel import Channel
from outlay.sandbox.errors import SandboxLost

START_S = 30.0
"""How long a guest may take to its first answer; it takes about 0.1 s."""
END_S = 5.0
"""How long a guest may take to end after its stream did."""
SAID_BYTES = 4096
_BOOTSTRAP = """
import sys, types
for name, folders in (("outlay", []), ("outlay.sandbox", []), ("outlay.sandbox.guest", sys.argv[1:])):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = folders
from outlay.sandbox.guest.bootstrap import start
start()
"""


def command() -> list[str]:
    """What starts a guest: isolated, so that nothing is imported but the library and our guest modules."""
    return [sys.executable, "-I", "-S", "-c", _BOOTSTRAP, *guest.__path__]


def order(main: str, config: Mapping[str, Any]) -> bytes:
    """The first bytes on its stdin: which module's `main(config)` is to be called. Until they come it only waits."""
    body = json.dumps({"modules": {}, "main": f"outlay.sandbox.guest.{main}", "config": dict(config)}).encode("ascii")
    return len(body).to_bytes(4, "big") + body


@dataclass(frozen=True)
class LocalGuest:
    """A running guest and what must go with it."""

    channel: Channel
    process: Process
    group: Group | None

    async def close(self) -> None:
        """Returns when nothing that it started runs any more."""
        await self.channel.close()
        try:
            async with asyncio.timeout(END_S):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
        if self.group is not None:
            await asyncio.to_thread(self.group.remove)


async def started(main: str, config: Mapping[str, Any], group: Group | None) -> LocalGuest:
    """Raises `SandboxLost` with what the guest said before it died, and then leaves nothing, the group included."""
    ours, theirs = socket.socketpair()
    said = os.memfd_create("outlay-guest-stderr")
    try:
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *command(),
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=said,
                env={},
                cwd="/",
                start_new_session=True,
            )
        ours.setblocking(False)
        _, channel = await asyncio.get_running_loop().create_connection(Channel, sock=ours)
        local = LocalGuest(channel, process, group)
        try:
            if group is not None:
                group.add(process.pid)
            await channel.open(order(main, config), within_s=START_S)
        except (SandboxLost, OSError) as error:
            await local.close()
            words = os.pread(said, SAID_BYTES, max(0, os.fstat(said).st_size - SAID_BYTES)).decode(errors="replace")
            raise SandboxLost(f"the process that runs commands did not start: {words.strip() or error}") from error
    finally:
        os.close(said)
    return local
