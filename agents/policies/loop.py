"""The plain tool loop: ask, act, repeat until the model submits, stops calling tools, or the budget ends."""

import json
from pathlib import Path

from outlay.agents.types import Agent, Message, Session, ToolCall

SYSTEM = (Path(__file__).parent / "prompts" / "loop.md").read_text().strip()
CUT = "Your reply was cut because it was too long. Answer with one shorter tool call."


async def loop(session: Session) -> None:
    messages = [Message("system", SYSTEM), Message("user", session.task.prompt)]
    while True:
        reply = await session.ask(messages, max_tokens=512)
        messages.append(reply.message)
        if reply.stop == "length" and not reply.message.calls:
            messages.append(Message("user", CUT))
            continue
        if not reply.message.calls:
            await session.act(ToolCall("final", "submit", json.dumps({"answer": reply.message.text})))
            return
        for call in reply.message.calls:
            result = await session.act(call)
            messages.append(Message("tool", result.text, call_id=call.id))
            if result.submits:
                return
        messages += [Message("user", notice) for notice in session.notices()]


AGENT = Agent("loop", loop, summary="the plain tool-calling loop")
