"""The Python tool: cells that see what earlier cells defined. `interpreter.py` is the part inside the sandbox."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from outlay.tools.output import observe
from outlay.tools.types import ToolContext, ToolResult

_INTERPRETER = Path(__file__).with_name("interpreter.py").read_text(encoding="utf-8")


class PythonArguments(BaseModel):
    model_config = ConfigDict(extra="forbid")

    code: str = Field(description="Python code. The value of a last expression is printed.")
    timeout_s: float | None = Field(None, gt=0, description="Kill the code after this many seconds.")


@dataclass(frozen=True)
class Python:
    """Runs a cell of Python in the workspace; variables are kept between calls as pickles."""

    name: str = "python"
    description: str = (
        "Run Python code in the workspace and see its output. Variables, imports, functions and classes are kept "
        "between calls as copies. Not kept: open files, threads, generators, and all changes of a call that was killed."
    )
    arguments: type[BaseModel] = PythonArguments
    meters: Sequence[str] = ()

    def units(self, args: PythonArguments) -> Mapping[str, int]:  # noqa: ARG002
        return {}

    async def __call__(self, args: PythonArguments, context: ToolContext) -> ToolResult:
        argv = ["python3", "-I", "-c", _INTERPRETER]
        completed = await context.sandbox.exec(argv, stdin=args.code.encode(), wall_s=args.timeout_s)
        return await observe(completed, context.sandbox)


python = Python()
