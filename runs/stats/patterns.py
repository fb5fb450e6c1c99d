"""The four inefficiency patterns of tool use (arXiv 2604.05404, App. E and Table 7), as detectors over trajectories.

`submit` and `evaluate` are how a task is handed in and scored here, not tools in the paper's sense, and never count.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from outlay.agents.events import Event, MessageSeen, ModelReply, ToolCalled, ToolReturned
from outlay.runs.stats.settings import Trajectory, by_setting

NOT_TOOLS = {"submit", "evaluate"}
SILENT_WHEN_RIGHT = {"bash", "edit"}
"""Their empty output is no sign of a mistake."""
RESAMPLES = 2000


@dataclass(frozen=True)
class ToolUse:
    """One tool call."""

    said: str
    """All that the model wrote and reasoned before it, in this trajectory."""
    name: str
    text: str
    """The observation."""
    is_error: bool

    @property
    def refused(self) -> bool:
        """Whether it did not fit the tool's schema, was no JSON, or named no tool; it never ran."""
        unfit = f"the call of {self.name!r} does not fit", f"There is no tool {self.name!r}"
        return self.is_error and self.text.startswith(unfit)


def confirmatory_tool_use(uses: Sequence[ToolUse]) -> bool:
    """A python call that only confirms what was known: its output holds a value that the model had given as the answer.

    The paper says that the answer appears in the reasoning before a python call that verifies it, not how that is
    matched. Ours: a number stands in a box, or after "answer", "result", "solution" or "total" and "is", "=", ":" or
    "be", in what the model wrote before the call; and the same number, by value, is in the output of that call.
    """
    return any(
        use.name == "python" and not use.is_error and set(_stated(use.said)) & set(_numbers(use.text)) for use in uses
    )


def tool_mixing(uses: Sequence[ToolUse]) -> bool:
    """More than one distinct tool in one trajectory. Calls that were refused used none."""
    return len({use.name for use in uses if not use.refused}) > 1


def tool_format_collapse(uses: Sequence[ToolUse]) -> bool:
    """A call that is no JSON or violates the tool's schema; one of a tool that is not there too."""
    return any(use.refused for use in uses)


def lack_of_tool_priors(uses: Sequence[ToolUse]) -> bool:
    """A call that ran and ended in an error, or came back empty (a missing print) from a tool that should speak."""
    return any(not use.refused and (use.is_error or _silent(use)) for use in uses)


PATTERNS: Mapping[str, Callable[[Sequence[ToolUse]], bool]] = {
    "confirmatory tool use": confirmatory_tool_use,
    "tool mixing": tool_mixing,
    "tool format collapse": tool_format_collapse,
    "lack of tool priors": lack_of_tool_priors,
}


@dataclass(frozen=True)
class Row:
    """One pattern in one setting."""

    task: str
    agent: str
    model: str | None
    budget: Mapping[str, float]
    pattern: str
    n: int
    """Rollouts in which a model was asked."""
    share: float
    """Of them, those with the pattern."""
    pte_with: float | None
    """Mean booked PTE of those with it; None where there is none, or PTE could not be measured."""
    pte_without: float | None
    multiplier: float | None
    """The former over the latter, in the same setting."""
    low: float | None
    high: float | None
    """95% percentile bootstrap interval of the multiplier; None below two rollouts on either side."""
    rollouts: Sequence[str]
    """Ids of those with it."""


def patterns(trajectories: Iterable[Trajectory], seed: int = 0) -> list[Row]:
    """Four rows per setting with a model."""
    rows: list[Row] = []
    for group in by_setting(trajectories):
        asked = [(t, list(tool_uses(t.events))) for t in group if any(e.type == "request" for e in t.events)]
        if asked:
            rows += [_row(name, detect, asked, seed) for name, detect in PATTERNS.items()]
    return rows


def _row(
    name: str,
    detect: Callable[[Sequence[ToolUse]], bool],
    asked: Sequence[tuple[Trajectory, Sequence[ToolUse]]],
    seed: int,
) -> Row:
    rollout = asked[0][0].outcome.rollout
    hits = [(trajectory.outcome, detect(uses)) for trajectory, uses in asked]
    dear = [outcome.spent["pte"] for outcome, hit in hits if hit and "pte" in outcome.spent]
    cheap = [outcome.spent["pte"] for outcome, hit in hits if not hit and "pte" in outcome.spent]
    low, high = ratio_interval(dear, cheap, seed)
    return Row(
        task=rollout.task,
        agent=rollout.agent,
        model=rollout.model,
        budget=rollout.budget,
        pattern=name,
        n=len(hits),
        share=fmean(hit for _, hit in hits),
        pte_with=fmean(dear) if dear else None,
        pte_without=fmean(cheap) if cheap else None,
        multiplier=fmean(dear) / fmean(cheap) if dear and any(cheap) else None,
        low=low,
        high=high,
        rollouts=[outcome.id for outcome, hit in hits if hit],
    )


def ratio_interval(
    above: Sequence[float], below: Sequence[float], seed: int, confidence: float = 0.95
) -> tuple[float | None, float | None]:
    """Percentile bootstrap of mean(above) / mean(below), both sides resampled; (None, None) below two values each."""
    if min(len(above), len(below)) < 2 or min(below) <= 0:
        return None, None
    import numpy as np

    rng = np.random.default_rng(seed)
    tops, bottoms = (rng.choice(side, (RESAMPLES, len(side))).mean(axis=1) for side in (above, below))
    low, high = np.quantile(tops / bottoms, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return float(low), float(high)


def tool_uses(events: Iterable[Event]) -> Iterator[ToolUse]:
    """In order of their results."""
    said, calls = "", {}
    for event in events:
        match event:
            case MessageSeen(role="assistant"):
                said += event.text + "\n"
            case ModelReply():
                said += _reasoning(event.raw) + "\n"
            case ToolCalled():
                calls[event.seq] = said, event.name
            case ToolReturned():
                before, name = calls[event.call]
                if name not in NOT_TOOLS:
                    yield ToolUse(before, name, event.text, event.is_error)


_NUMBER = r"-?\d+(?:,\d{3})*(?:\.\d+)?"
_STATED = re.compile(
    rf"\\boxed\{{\s*({_NUMBER})\s*\}}|\b(?:answer|result|solution|total)\b[^.\n]{{0,40}}?(?:\bis\b|=|:|\bbe\b)[\s*$]*({_NUMBER})",
    re.IGNORECASE,
)


def _stated(text: str) -> Iterator[float]:
    return (_value(match[1] or match[2]) for match in _STATED.finditer(text))


def _numbers(text: str) -> Iterator[float]:
    return (_value(number) for number in re.findall(_NUMBER, text))


def _value(number: str) -> float:
    return float(number.replace(",", ""))


def _silent(use: ToolUse) -> bool:
    return use.name not in SILENT_WHEN_RIGHT and use.text.strip() in ("", "[no output]")


def _reasoning(raw: Any) -> str:
    """What a reply thought aside, in the fields that chat servers and the Messages API have for it."""
    if not isinstance(raw, Mapping):
        return ""
    messages = [choice.get("message") or {} for choice in raw.get("choices") or ()]
    thought = [message.get("reasoning_content") or message.get("reasoning") for message in messages]
    blocks = raw.get("content") if isinstance(raw.get("content"), list) else ()
    thought += [block.get("thinking") for block in blocks or () if isinstance(block, Mapping)]
    return "\n".join(text for text in thought if isinstance(text, str))
