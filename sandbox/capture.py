"""Feeds a child's stdin and drains its output, so that neither side ever waits for the other; keeps the first bytes."""

import asyncio
import contextlib

CHUNK = 64 << 10


async def capture(process: asyncio.subprocess.Process, stdin: bytes, cap: int) -> tuple[bytes, bytes, int]:
    """Returns the first `cap` bytes of stdout and of stderr, and how many bytes were dropped over both."""
    assert process.stdout is not None and process.stderr is not None and process.stdin is not None
    (stdout, lost_out), (stderr, lost_err), _ = await asyncio.gather(
        _drain(process.stdout, cap), _drain(process.stderr, cap), _feed(process.stdin, stdin)
    )
    return stdout, stderr, lost_out + lost_err


async def _drain(stream: asyncio.StreamReader, cap: int) -> tuple[bytes, int]:
    kept, dropped = bytearray(), 0
    while chunk := await stream.read(CHUNK):
        room = cap - len(kept)
        kept += chunk[:room]
        dropped += max(0, len(chunk) - room)
    return bytes(kept), dropped


async def _feed(stream: asyncio.StreamWriter, body: bytes) -> None:
    """A child that does not read its input is no error."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stream.write(body)
        await stream.drain()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stream.close()
        await stream.wait_closed()
