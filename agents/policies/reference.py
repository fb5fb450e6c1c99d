"""Submits the task's reference: proves that the verifier accepts what it should. Not an agent to compare with."""

from outlay.agents.types import Agent, Session, ToolCall


async def reference(session: Session) -> None:
    for path, body in session.task.reference.items():
        await session.write(path, body)
    await session.act(ToolCall("reference", "submit", "{}"))


AGENT = Agent("reference", reference, uses_model=False, summary="submits the task's reference solution")
