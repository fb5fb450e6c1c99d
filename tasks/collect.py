"""Takes the declared artifacts out of the agent's sandbox, once; the judge works on these bytes and no others."""

from collections.abc import Sequence

from outlay.sandbox.errors import PathRefused
from outlay.sandbox.types import Sandbox
from outlay.tasks.types import Submission

ARTIFACT_BYTES = 8 << 20
"""The largest artifact that is judged."""
SUBMISSION_BYTES = 32 << 20
"""All artifacts of one submission together."""


async def collect(sandbox: Sandbox, paths: Sequence[str]) -> Submission:
    """The regular files at `paths`; what is missing, irregular or too large is left out, the last two with a reason."""
    files: dict[str, bytes] = {}
    refused: dict[str, str] = {}
    room = SUBMISSION_BYTES
    for path in paths:
        try:
            body = await sandbox.read(path)
        except FileNotFoundError:
            continue
        except PathRefused as why:
            refused[path] = why.reason
            continue
        if len(body) > min(ARTIFACT_BYTES, room):
            refused[path] = f"it has more than {min(ARTIFACT_BYTES, room):,} bytes"
            continue
        files[path] = body
        room -= len(body)
    return Submission(files, refused)
