"""The last tool of a rollout: what is in the workspace counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from outlay.tools.types import ToolContext, ToolResult

ANSWER = "answer.txt"


class SubmitArguments(BaseModel):
    model_config = ConfigDict(extra="forbid")

    answer: str = Field("", description="The answer, for tasks that ask for one; leave it out when files are judged.")


@dataclass(frozen=True)
class Submit:
    """Ends the rollout, with `answer` written to `answer.txt` when one is given."""

    name: str = "submit"
    description: str = "Hand in your work as it is now and end the attempt."
    arguments: type[BaseModel] = SubmitArguments
    meters: Sequence[str] = ()

    def units(self, args: SubmitArguments) -> Mapping[str, int]:  # noqa: ARG002
        return {}

    async def __call__(self, args: SubmitArguments, context: ToolContext) -> ToolResult:
        if args.answer:
            await context.sandbox.write(ANSWER, args.answer.encode())
        return ToolResult("Submitted.", submits=True)


submit = Submit()
