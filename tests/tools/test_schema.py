"""Schemas for providers, and calls coming back from models."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from outlay.tools.errors import ArgumentsRefused
from outlay.tools.registry import BUILTIN
from outlay.tools.schema import parameters, parse
from outlay.tools.types import AnyTool, ToolContext, ToolResult

BASH, EDIT, SUBMIT = BUILTIN["bash"], BUILTIN["edit"], BUILTIN["submit"]


class Colour(StrEnum):
    RED = "red"


class Point(BaseModel):
    title: int
    colour: Colour


class Path(BaseModel):
    points: list[Point]


@dataclass(frozen=True)
class Draw:
    name: str = "draw"
    description: str = ""
    arguments: type[BaseModel] = Path
    meters: Sequence[str] = ()

    def units(self, args: Path) -> dict[str, int]:  # noqa: ARG002
        return {}

    async def __call__(self, args: Path, context: ToolContext) -> ToolResult:  # noqa: ARG002
        return ToolResult("")


@pytest.mark.parametrize("tool", BUILTIN.values(), ids=lambda tool: tool.name)
def test_every_builtin_has_a_closed_schema_that_describes_its_fields(tool: AnyTool) -> None:
    schema = parameters(tool)
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert all(field["description"] for field in schema["properties"].values())


def test_references_are_inlined_and_a_field_named_title_stays() -> None:
    schema = parameters(Draw())
    point = schema["properties"]["points"]["items"]
    assert point["properties"] == {"title": {"type": "integer"}, "colour": {"type": "string", "enum": ["red"]}}
    assert point["additionalProperties"] is False
    assert "$" not in json.dumps(schema)


def test_a_good_call_becomes_arguments() -> None:
    assert parse(BASH, '{"command": "ls"}').model_dump() == {"command": "ls", "timeout_s": None}


def test_an_empty_call_counts_as_no_arguments() -> None:
    assert parse(SUBMIT, "").model_dump() == {"answer": ""}


@pytest.mark.parametrize(
    ("tool", "raw", "said"),
    [
        (BASH, "{}", "command: Field required"),
        (BASH, '{"command": 3}', "command: Input should be a valid string"),
        (BASH, '{"cmd": "ls", "command": "ls"}', "cmd: Extra inputs are not permitted"),
        (BASH, '["ls"]', "a JSON list, not an object"),
        (BASH, '{"command": "ls"', "not valid JSON"),
        (
            EDIT,
            '{"command": "delete", "path": "a"}',
            "command: Input should be 'view', 'create', 'replace' or 'insert'",
        ),
        (EDIT, '{"command": "replace", "path": "a", "old": "b"}', "replace needs text"),
    ],
)
def test_a_refusal_says_which_field_was_wrong_and_what_is_expected(tool: AnyTool, raw: str, said: str) -> None:
    with pytest.raises(ArgumentsRefused) as refusal:
        parse(tool, raw)
    assert said in str(refusal.value)
    assert "command (" in str(refusal.value)
    assert "required" in str(refusal.value)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["command", "path", "text", "x"]), inner),
)


@given(st.text() | json_values.map(json.dumps) | st.just("[" * 100_000) | st.just("9" * 5_000))
def test_any_text_is_either_arguments_or_a_refusal(raw: str) -> None:
    for tool in BUILTIN.values():
        try:
            assert isinstance(parse(tool, raw), tool.arguments)
        except ArgumentsRefused as refusal:
            assert refusal.tool == tool.name
