"""Submits the unchanged starting point: what an agent that does nothing scores."""

from outlay.agents.types import Agent, Session, ToolCall


async def baseline(session: Session) -> None:
    for path, body in session.task.baseline.items():
        await session.write(path, body)
    await session.act(ToolCall("baseline", "submit", "{}"))


AGENT = Agent("baseline", baseline, uses_model=False, summary="submits the unchanged starting point")
