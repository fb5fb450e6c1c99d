"""The shell tool."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from outlay.tools.output import observe
from outlay.tools.types import ToolContext, ToolResult


class BashArguments(BaseModel):
    model_config = ConfigDict(extra="forbid")

    command: str = Field(description="The command line or script to run.")
    timeout_s: float | None = Field(None, gt=0, description="Kill the command after this many seconds.")


@dataclass(frozen=True)
class Bash:
    """Runs a command with bash in the workspace."""

    name: str = "bash"
    description: str = (
        "Run a bash command in the workspace and see its output. Each call is a new shell: files stay, but "
        "variables, `cd` and background processes do not."
    )
    arguments: type[BaseModel] = BashArguments
    meters: Sequence[str] = ()

    def units(self, args: BashArguments) -> Mapping[str, int]:  # noqa: ARG002
        return {}

    async def __call__(self, args: BashArguments, context: ToolContext) -> ToolResult:
        completed = await context.sandbox.exec(["bash", "-c", args.command], wall_s=args.timeout_s)
        return await observe(completed, context.sandbox)


bash = Bash()
