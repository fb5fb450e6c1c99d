"""The way out: only listed pairs, through our proxy, each attempt on record. All listeners are the test's own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from outlay.sandbox.docker import docker_sandbox
from outlay.sandbox.types import Sandbox, SandboxSpec

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("docker_engine")]

FETCH = """
import sys, urllib.request, urllib.error
opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": "http://127.0.0.1:3128"}))
try:
    with opener.open(sys.argv[1], sys.stdin.buffer.read() or None, timeout=20) as response:
        sys.stdout.buffer.write(response.read())
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
"""
TUNNEL = """
import socket, sys
with socket.create_connection(("127.0.0.1", 3128)) as s:
    s.sendall(f"CONNECT {sys.argv[1]} HTTP/1.1\\r\\n\\r\\n".encode())
    stream = s.makefile("rb")
    print(stream.readline().decode().strip())
    while stream.readline().strip(): pass
    s.sendall(b"ping\\n")
    print(stream.readline().decode().strip())
"""


@asynccontextmanager
async def server(answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[int]:
    """A listener on our own loopback; its port."""

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        finally:
            writer.close()

    listening = await asyncio.start_server(accepted, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers every request with its first line and two megabytes."""
    head = await reader.readuntil(b"\r\n\r\n")
    body = head.split(b"\r\n")[0] + b"\n" + b"x" * (2 << 20)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
    await writer.drain()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"pong to " + await reader.readline())
    await writer.drain()


def allowed(*pairs: str) -> SandboxSpec:
    return SandboxSpec(egress=pairs)


async def fetch(sandbox: Sandbox, url: str) -> bytes:
    direct = {"no_proxy": "", "NO_PROXY": ""}  # our listeners are on a loopback, which is never asked for by proxy
    return (await sandbox.exec(["python3", "-c", FETCH, url], env=direct)).stdout


def test_a_listed_address_is_reached_and_recorded() -> None:
    async def body() -> None:
        async with server(page) as port, docker_sandbox(allowed(f"127.0.0.1:{port}")) as sandbox:
            found = await fetch(sandbox, f"http://127.0.0.1:{port}/a?b=c")
            assert found.startswith(b"GET /a?b=c HTTP/1.1\n")
            (connection,) = sandbox.connections
            assert (connection.host, connection.port, connection.allowed) == ("127.0.0.1", port, True)
            assert connection.received_bytes > 2 << 20
            assert sandbox.record["egress"] == [f"127.0.0.1:{port}"]

    asyncio.run(body())


def test_another_port_of_the_same_host_is_refused_with_what_is_allowed() -> None:
    async def body() -> None:
        async with (
            server(page) as open_port,
            server(page) as port,
            docker_sandbox(allowed(f"127.0.0.1:{open_port}")) as s,
        ):
            said = await fetch(s, f"http://127.0.0.1:{port}/")
            assert said.startswith(b"403")
            assert f"127.0.0.1:{open_port}".encode() in said
            assert [(c.port, c.allowed) for c in s.connections] == [(port, False)]

    asyncio.run(body())


def test_a_name_that_leads_to_this_machine_is_refused_unless_it_is_listed_as_such() -> None:
    async def body() -> None:
        async with server(page) as port:
            name = "127.1"
            async with docker_sandbox(allowed(f"{name}:{port}", f"localhost:{port}")) as sandbox:
                assert (await fetch(sandbox, f"http://{name}:{port}/")).startswith(b"403")
                assert (await fetch(sandbox, f"http://localhost:{port}/")).startswith(b"GET / ")

    asyncio.run(body())


def test_connect_makes_a_tunnel() -> None:
    async def body() -> None:
        async with server(echo) as port, docker_sandbox(allowed(f"127.0.0.1:{port}")) as sandbox:
            done = await sandbox.exec(["python3", "-c", TUNNEL, f"127.0.0.1:{port}"])
            assert done.stdout.split(b"\n")[:2] == [b"HTTP/1.1 200 OK", b"pong to ping"]

    asyncio.run(body())


@pytest.mark.parametrize("nonsense", ["GET / HTTP/1.1", "CONNECT nothing", "\\x00" * 8, "GET http://[::1 HTTP/1.1"])
def test_what_is_no_request_to_a_proxy_is_refused(nonsense: str) -> None:
    send = f"import socket; s = socket.create_connection(('127.0.0.1', 3128)); s.sendall(b'{nonsense}\\r\\n\\r\\n'); "

    async def body() -> None:
        async with docker_sandbox(allowed("127.0.0.1:1")) as sandbox:
            done = await sandbox.exec(["python3", "-c", f"{send} print(s.recv(99))"])
            assert b"403 Forbidden" in done.stdout
            assert [c.allowed for c in sandbox.connections] == [False]

    asyncio.run(body())


def test_many_connections_at_once_are_served_or_closed_and_commands_go_on() -> None:
    flood = (
        "import socket\n"
        "held = [socket.create_connection(('127.0.0.1', 3128)) for _ in range(200)]\n"
        "for s in held:\n"
        "    try: s.sendall(b'x' * 100000)\n"
        "    except OSError: pass\n"
        "print(len(held))\n"
    )

    async def body() -> None:
        async with server(echo) as port, docker_sandbox(allowed(f"127.0.0.1:{port}")) as sandbox:
            assert (await sandbox.exec(["python3", "-c", flood], wall_s=20)).exit_code is not None
            done = await sandbox.exec(["python3", "-c", TUNNEL, f"127.0.0.1:{port}"])
            assert b"pong to ping" in done.stdout

    asyncio.run(body())


def test_without_egress_there_is_no_proxy() -> None:
    async def body() -> None:
        async with docker_sandbox() as sandbox:
            done = await sandbox.exec(["python3", "-c", "import socket; socket.create_connection(('127.0.0.1', 3128))"])
            assert b"ConnectionRefusedError" in done.stderr
            assert (await sandbox.exec(["env"])).stdout.find(b"proxy") == -1

    asyncio.run(body())
