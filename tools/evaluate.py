"""The feedback tool: scores the present artifacts without ending the rollout."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from outlay.tools.types import ToolContext, ToolResult


class EvaluateArguments(BaseModel):
    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class EvaluateTool:
    """Asks whoever runs the rollout for a score; draws one evaluation from the budget."""

    name: str = "evaluate"
    description: str = "Score your work as it is now, without ending the attempt. The number of evaluations is limited."
    arguments: type[BaseModel] = EvaluateArguments
    meters: Sequence[str] = ()

    def units(self, args: EvaluateArguments) -> Mapping[str, int]:  # noqa: ARG002
        return {"evaluations": 1}

    async def __call__(self, args: EvaluateArguments, context: ToolContext) -> ToolResult:  # noqa: ARG002
        if context.evaluate is None:
            return ToolResult(
                "This task gives no feedback before the end; use submit when you are done.", is_error=True
            )
        return await context.evaluate()


evaluate = EvaluateTool()
