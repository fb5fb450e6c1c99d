"""The file tool: view, create, replace and insert, with errors that say how to mend the call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from outlay.sandbox.errors import PathRefused
from outlay.tools.output import SHOWN_CHARS
from outlay.tools.truncate import cut_middle
from outlay.tools.types import ToolContext, ToolResult

_NEEDS = {"view": (), "create": ("text",), "replace": ("old", "text"), "insert": ("after_line", "text")}


class EditArguments(BaseModel):
    model_config = ConfigDict(extra="forbid")

    command: Literal["view", "create", "replace", "insert"] = Field(description="What to do with the file.")
    path: str = Field(description="The file, relative to the workspace.")
    text: str | None = Field(None, description="create: the content; replace, insert: the new text.")
    old: str | None = Field(None, min_length=1, description="replace: the exact text to replace; must occur once.")
    after_line: int | None = Field(None, ge=0, description="insert: the line to insert after; 0 is the top.")
    first_line: int | None = Field(None, ge=1, description="view: first line to show.")
    last_line: int | None = Field(None, ge=1, description="view: last line to show.")

    @model_validator(mode="after")
    def _complete(self) -> "EditArguments":
        missing = [name for name in _NEEDS[self.command] if getattr(self, name) is None]
        if missing:
            raise ValueError(f"{self.command} needs {' and '.join(missing)}")
        return self


class EditRefused(ValueError):
    """An edit that does not fit the file; the message goes back to the model."""


@dataclass(frozen=True)
class Edit:
    """Views and changes text files of the workspace. Bytes that are not UTF-8 survive an edit."""

    name: str = "edit"
    description: str = (
        "View or change a text file. Commands: view (with line numbers), create (or overwrite), replace (exact text "
        "that occurs once), insert (after a line)."
    )
    arguments: type[BaseModel] = EditArguments
    meters: Sequence[str] = ()

    def units(self, args: EditArguments) -> Mapping[str, int]:  # noqa: ARG002
        return {}

    async def __call__(self, args: EditArguments, context: ToolContext) -> ToolResult:
        try:
            if args.command == "create":
                await context.sandbox.write(args.path, (args.text or "").encode())
                return ToolResult(f"Wrote {args.path}.")
            content = (await context.sandbox.read(args.path)).decode(errors="surrogateescape")
            if args.command == "view":
                return ToolResult(_view(content, args))
            changed = _replaced(content, args) if args.command == "replace" else _inserted(content, args)
            await context.sandbox.write(args.path, changed.encode(errors="surrogateescape"))
        except FileNotFoundError:
            return ToolResult(f"There is no file {args.path!r}; make it with create.", is_error=True)
        except (EditRefused, PathRefused) as error:
            return ToolResult(str(error), is_error=True)
        return ToolResult(f"Changed {args.path}.")


def _view(content: str, args: EditArguments) -> str:
    lines = content.encode(errors="surrogateescape").decode(errors="replace").splitlines()
    first, last = args.first_line or 1, args.last_line or len(lines)
    if not lines:
        return f"{args.path} is empty."
    if first > min(last, len(lines)):
        raise EditRefused(f"no lines {first} to {last}: {args.path} has {len(lines)} lines")
    numbered = [f"{number:6}\t{line}" for number, line in enumerate(lines[first - 1 : last], start=first)]
    return cut_middle("\n".join(numbered), SHOWN_CHARS, args.path)


def _replaced(content: str, args: EditArguments) -> str:
    assert args.old is not None and args.text is not None
    count = content.count(args.old)
    if count == 1:
        return content.replace(args.old, args.text)
    if count > 1:
        raise EditRefused(f"`old` occurs {count} times in {args.path}; add lines around it until it occurs once")
    raise EditRefused(f"`old` does not occur in {args.path}{_nearest(content, args.old)}")


def _nearest(content: str, old: str) -> str:
    lines, size = content.splitlines(), len(old.splitlines())
    blocks = ["\n".join(lines[start : start + size]) for start in range(max(1, len(lines) - size + 1))]
    matcher = SequenceMatcher(b=old, autojunk=False)
    best, ratio = 0, 0.0
    for start, block in enumerate(blocks[:5_000]):
        matcher.set_seq1(block)
        if matcher.quick_ratio() > max(ratio, 0.5) and (found := matcher.ratio()) > ratio:
            best, ratio = start, found
    if ratio < 0.5:
        return "; view the file first"
    return f"; nearest is line {best + 1}:\n{cut_middle(blocks[best], 1_000, 'the file')}"


def _inserted(content: str, args: EditArguments) -> str:
    assert args.after_line is not None and args.text is not None
    lines = content.splitlines(keepends=True)
    if args.after_line > len(lines):
        raise EditRefused(f"no line {args.after_line}: {args.path} has {len(lines)} lines")
    before, after = "".join(lines[: args.after_line]), "".join(lines[args.after_line :])
    if before and not before.endswith("\n"):
        before += "\n"
    text = args.text if args.text.endswith("\n") or not after else args.text + "\n"
    return before + text + after


edit = Edit()
