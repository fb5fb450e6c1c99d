"""Asking a served model what the design says, and reading the server's clock.

Requests go to the server's raw `/completion` with token ids, not to its chat endpoint. Chat would need a template,
which base models lack; a template and a tokenizer make lengths that cannot be chosen; and a reply ends where the model
wants. Raw, a prompt has exactly the tokens asked for, `ignore_eos` with `n_predict` gives exactly the output asked for,
and the returned token ids are the next turn's prefix, so that the cache matches to the token. The work per token is
the same.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any

from outlay.agents.models.llamacpp import LlamaCppModel
from outlay.runs.validation.types import Conversation, Step, Turn


async def measure(
    model: LlamaCppModel,
    conversations: Sequence[Conversation],
    *,
    rounds: int,
    vocabulary: int,
    rng: Random,
    on_step: Callable[[Step], None],
) -> list[Step]:
    """All conversations `rounds` times, in one random order: a slow spell of the machine hits no condition alone.

    Each time with other random tokens, so that nothing is found in a cache but the conversation's own prefix. A first
    short request is not measured: it pays for pages that are read for the first time. Raises `ModelError`.
    """
    await _ask(model, _tokens(rng, 16, vocabulary), Turn(16, 4, evicted=True))
    order = [conversation for conversation in conversations for _ in range(rounds)]
    rng.shuffle(order)
    steps: list[Step] = []
    for conversation in order:
        context: list[int] = []
        for number, turn in enumerate(conversation.turns):
            await asyncio.sleep(turn.pause_s)
            context += _tokens(rng, turn.fresh, vocabulary)
            reply = await _ask(model, context, turn)
            context += reply["tokens"]
            steps.append(_step(conversation.name, number, reply["timings"]))
            on_step(steps[-1])
    return steps


def fastest(steps: Iterable[Step]) -> list[Step]:
    """One step per request of the design: the least prefill time and the least decode time of its rounds.

    Others on the machine only ever add time. Rounds may differ in what the cache held; the fastest prefill tells it.
    """
    rounds: dict[tuple[str, int], list[Step]] = {}
    for step in steps:
        rounds.setdefault((step.conversation, step.turn), []).append(step)
    best = []
    for same in rounds.values():
        first = min(same, key=lambda step: step.prefill_s)
        decode_s = min(step.decode_s for step in same)
        best.append(Step(**{**vars(first), "decode_s": decode_s}))
    return best


async def _ask(model: LlamaCppModel, prompt: Sequence[int], turn: Turn) -> dict[str, Any]:
    body = {
        "prompt": prompt,
        "n_predict": turn.output,
        "ignore_eos": True,
        "cache_prompt": not turn.evicted,
        "return_tokens": True,
        "temperature": 0,
    }
    return await model.post("/completion", body)


def _step(conversation: str, turn: int, timings: Mapping[str, float]) -> Step:
    return Step(
        conversation,
        turn,
        context=int(timings["cache_n"] + timings["prompt_n"]),
        cached=int(timings["cache_n"]),
        output=int(timings["predicted_n"]),
        prefill_s=timings["prompt_ms"] / 1000,
        decode_s=timings["predicted_ms"] / 1000,
    )


def _tokens(rng: Random, count: int, vocabulary: int) -> list[int]:
    """Ordinary ones: control tokens stand at the ends of a vocabulary."""
    return [rng.randrange(vocabulary // 8, vocabulary // 2) for _ in range(count)]
