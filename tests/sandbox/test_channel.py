"""The channel, with a guest at the other end that says whatever a hostile one might."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlay.sandbox import channel as channels
from outlay.sandbox.channel import Channel, EngineStreams
from outlay.sandbox.errors import PathRefused, SandboxLost
from outlay.sandbox.guest.frames import CHUNK, WINDOW, BadFrame, Frame, Unpacker, packed
from outlay.sandbox.guest_sandbox import GuestSandbox
from outlay.sandbox.types import Isolation, Limits, Snapshot

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
DONE = {"code": 0, "killed": None, "wall_s": 0.1, "cpu_s": 0.1, "dropped": 0, "oom": False, "sizes": [0, 0]}


def against(guest: Talk, body: Callable[[GuestSandbox], Awaitable[None]]) -> None:
    """Runs a test's body with a sandbox whose guest is the given coroutine."""

    async def opened() -> None:
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=theirs)
        talking = asyncio.ensure_future(guest(reader, writer))
        _, channel = await asyncio.get_running_loop().create_connection(Channel, sock=ours)
        async with asyncio.timeout(20):
            await body(GuestSandbox(channel, Limits(output_bytes=1000), Isolation.CONTAINER, {}))
        await channel.close()
        talking.cancel()
        with suppress(asyncio.CancelledError):
            await talking
        writer.close()

    asyncio.run(opened())


async def heard(reader: asyncio.StreamReader) -> Frame:
    """The next frame that was sent to the guest."""
    prefix = await reader.readexactly(8)
    head = await reader.readexactly(int.from_bytes(prefix[:4], "big"))
    return Frame(json.loads(head), await reader.readexactly(int.from_bytes(prefix[4:], "big")))


def saying(*messages: bytes) -> Talk:
    """A guest that answers its first request with these bytes, and then is silent."""

    async def guest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        for message in messages:
            writer.write(message)
        await writer.drain()
        await asyncio.Event().wait()

    return guest


IMPOSSIBLE = {
    "no frame": [b"HTTP/1.1 400 Bad Request\r\n\r\n"],
    "a header of 4 GiB": [b"\xff\xff\xff\xff\0\0\0\0"],
    "a body of 4 GiB": [b"\0\0\0\2\xff\xff\xff\xff{}"],
    "a header that is no JSON": [b"\0\0\0\2\0\0\0\0{["],
    "a header nested without end": [(60_000).to_bytes(4, "big") + b"\0\0\0\0" + b"[" * 60_000],
    "a header that is no object": [b"\0\0\0\2\0\0\0\0[]"],
    "no id": [packed({"kind": "done"})],
    "an id that is no number": [packed({"id": "1", "kind": "done"})],
    "an id that is true": [packed({"id": True, "kind": "done"})],
    "another id": [packed({**DONE, "id": 2, "kind": "done"})],
    "a stream that was not agreed on": [packed({"id": -1, "kind": "open"})],
    "another kind": [packed({**DONE, "id": 1, "kind": "exec"})],
    "two answers": [packed({**DONE, "id": 1, "kind": "done"}) * 2],
    "more output than the cap": [
        packed({"id": 1, "kind": "part"}, bytes(1999)),
        packed({"id": 1, "kind": "part"}, b"xx"),
    ],
    "no exit code": [packed({**DONE, "id": 1, "kind": "done", "code": None})],
    "an exit code that is text": [packed({**DONE, "id": 1, "kind": "done", "code": "0"})],
    "a kill of another kind": [packed({**DONE, "id": 1, "kind": "done", "code": None, "killed": "unwanted"})],
    "a negative time": [packed({**DONE, "id": 1, "kind": "done", "wall_s": -1})],
    "a time that is no number": [packed({**DONE, "id": 1, "kind": "done", "cpu_s": float("nan")})],
    "sizes that do not add up": [packed({**DONE, "id": 1, "kind": "done", "sizes": [1, 0]})],
    "negative sizes": [packed({**DONE, "id": 1, "kind": "done", "sizes": [-1, 1]})],
    "nothing about memory": [packed({**DONE, "id": 1, "kind": "done", "oom": None})],
    "a refusal without a reason": [packed({"id": 1, "kind": "refused"})],
    "a field too few": [packed({"id": 1, "kind": "done"})],
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_guest_that_breaks_the_protocol_is_lost(name: str) -> None:
    async def body(sandbox: GuestSandbox) -> None:
        for _ in range(2):  # and stays lost
            with pytest.raises(SandboxLost):
                await sandbox.exec(["true"])
                await sandbox.exec(["true"])  # what came too much shows at the next request at the latest

    against(saying(*IMPOSSIBLE[name]), body)


@pytest.mark.parametrize(
    "listing",
    [b"file 1 2 3 ../x\0", b"file 1 2 3 /x\0", b"gift 1 2 3 x\0", b"file x 2 3 x\0", b"file 1 2\0", b"file 1 2 3 \0"],
)
def test_a_listing_that_names_what_no_workspace_has_is_a_lost_sandbox(listing: bytes) -> None:
    async def body(sandbox: GuestSandbox) -> None:
        with pytest.raises(SandboxLost, match="impossible"):
            await sandbox.manifest()

    against(saying(packed({"id": 1, "kind": "done"}, listing)), body)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=64))
def test_random_bytes_are_bad_frames_or_wait_for_more(noise: bytes) -> None:
    try:
        Unpacker(1000).feed(noise)
    except BadFrame:
        return


def test_a_guest_that_never_answers_is_lost_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "GRACE_S", 0.1)

    async def body(sandbox: GuestSandbox) -> None:
        with pytest.raises(SandboxLost, match="no reply to exec"):
            await sandbox.exec(["true"], wall_s=0.1)

    against(saying(), body)


def test_a_cancelled_request_that_never_ends_is_a_lost_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "GRACE_S", 0.1)

    async def body(sandbox: GuestSandbox) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sandbox.exec(["true"], wall_s=10), 0.05)
        with pytest.raises(SandboxLost, match="cancelled"):
            await sandbox.exec(["true"])

    against(saying(), body)


def test_a_cancelled_request_is_stopped_and_its_late_reply_taken_for_no_other() -> None:
    async def guest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, kill = await heard(reader), await heard(reader)
        assert (kill.header["id"], kill.header["kind"]) == (first.header["id"], "kill")
        writer.write(packed({**DONE, "id": first.header["id"], "kind": "done", "code": None, "killed": "unwanted"}))
        second = await heard(reader)
        writer.write(packed({**DONE, "id": second.header["id"], "kind": "done", "code": 7}))

    async def body(sandbox: GuestSandbox) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sandbox.exec(["first"]), 0.05)
        assert (await sandbox.exec(["second"])).exit_code == 7

    against(guest, body)


def test_requests_take_turns() -> None:
    async def guest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in range(20):
            frame = await heard(reader)
            assert not reader._buffer  # type: ignore[attr-defined]  # nothing more was sent before the answer
            writer.write(packed({**DONE, "id": frame.header["id"], "kind": "done", "code": number}))

    async def body(sandbox: GuestSandbox) -> None:
        done = await asyncio.gather(*(sandbox.exec(["true"]) for _ in range(20)))
        assert [each.exit_code for each in done] == list(range(20))

    against(guest, body)


def test_a_large_body_waits_for_leave() -> None:
    size = (WINDOW + 3) * CHUNK + 5

    async def guest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent = [await heard(reader) for _ in range(WINDOW)]
        for _ in range(4):
            writer.write(packed({"id": 1, "kind": "more"}))
            sent.append(await heard(reader))
        assert sum(len(frame.body) for frame in sent) == sent[0].header["size"] == size
        writer.write(packed({"id": 1, "kind": "done"}))
        refused = [await heard(reader) for _ in range(WINDOW)]
        writer.write(packed({"id": 2, "kind": "refused", "path": "", "reason": "no"}))
        following = await heard(reader)  # no piece was sent beyond those that were let
        writer.write(packed({"id": following.header["id"], "kind": "done"}))
        assert ([frame.header["id"] for frame in refused], following.header["id"]) == ([2] * WINDOW, 3)

    async def body(sandbox: GuestSandbox) -> None:
        await sandbox.write("x", bytes(size))
        with pytest.raises(PathRefused, match="no"):
            await sandbox.write("x", bytes(size))
        await sandbox.write("x", b"")

    against(guest, body)


def test_a_refused_archive_is_never_sent() -> None:
    async def guest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frame = await heard(reader)
        writer.write(packed({"id": 1, "kind": "done"}, frame.header["kind"].encode()))

    async def body(sandbox: GuestSandbox) -> None:
        with pytest.raises(PathRefused, match="archive"):
            await sandbox.restore(Snapshot(b"no tar"))
        assert await sandbox.read("x") == b"read"

    against(guest, body)


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=20))), st.integers(1, 7))
def test_the_engines_streams_are_taken_apart_however_they_are_cut(writes: list[tuple[int, bytes]], step: int) -> None:
    wire = b"".join(bytes([stream, 0, 0, 0]) + len(body).to_bytes(4, "big") + body for stream, body in writes)
    split, found = EngineStreams(), {1: b"", 2: b""}
    for at in range(0, len(wire), step):
        for stream, body in split(wire[at : at + step]):
            found[stream] += body
    assert found == {number: b"".join(body for stream, body in writes if stream == number) for number in (1, 2)}


def test_what_the_guest_said_before_it_ended_is_in_the_error() -> None:
    async def opened() -> None:
        ours, theirs = socket.socketpair()
        _, channel = await asyncio.get_running_loop().create_connection(lambda: Channel(EngineStreams()), sock=ours)
        theirs.sendall(b"\2\0\0\0\0\0\0\4oops")
        theirs.close()
        with pytest.raises(SandboxLost, match=r"ended.*the guest said: oops"):
            await channel.request("ping", {}, within_s=1)
        await channel.close()

    asyncio.run(opened())
