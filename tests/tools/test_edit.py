"""The edit tool, as a model sees it."""

from typing import Any

from outlay.tools.types import ToolResult
from tests.tools.calls import call_all

TEXT = b"one\ntwo\nthree\ntwo again\n"


def edited(body: bytes = TEXT, **arguments: Any) -> tuple[ToolResult, str]:
    change, after = call_all(
        ("edit", {"path": "a.txt", **arguments}), ("bash", {"command": "cat a.txt"}), files={"a.txt": body}
    )
    return change, after.text


def test_view_numbers_the_lines() -> None:
    result, _ = edited(command="view", first_line=2, last_line=3)
    assert result.text == "     2\ttwo\n     3\tthree"


def test_view_beyond_the_end_says_how_long_the_file_is() -> None:
    result, _ = edited(command="view", first_line=9)
    assert result.is_error
    assert "has 4 lines" in result.text


def test_create_overwrites() -> None:
    assert edited(command="create", text="new")[1] == "new"


def test_replace_changes_the_one_match() -> None:
    assert edited(command="replace", old="three\n", text="")[1] == "one\ntwo\ntwo again\n"


def test_replace_of_an_ambiguous_text_says_how_often_it_occurs() -> None:
    result, after = edited(command="replace", old="two", text="2")
    assert result.is_error
    assert "2 times" in result.text
    assert after.encode() == TEXT


def test_replace_of_a_missing_text_shows_the_nearest_lines() -> None:
    result, _ = edited(command="replace", old="two agian", text="x")
    assert result.is_error
    assert "nearest is line 4:\ntwo again" in result.text


def test_insert_after_a_line_and_at_the_top() -> None:
    assert edited(command="insert", after_line=1, text="new")[1] == "one\nnew\ntwo\nthree\ntwo again\n"
    assert edited(b"one", command="insert", after_line=1, text="two\n")[1] == "one\ntwo\n"
    assert edited(b"one", command="insert", after_line=0, text="zero")[1] == "zero\none"


def test_bytes_that_are_not_text_survive_an_edit() -> None:
    _, after = call_all(
        ("edit", {"command": "replace", "path": "a", "old": "x", "text": "y"}),
        ("bash", {"command": "od -An -tx1 a"}),
        files={"a": b"\xffx\r\n"},
    )
    assert after.text.split() == ["ff", "79", "0d", "0a"]


def test_missing_files_and_paths_outside_are_errors_that_say_so() -> None:
    missing, outside = call_all(
        ("edit", {"command": "view", "path": "none"}), ("edit", {"command": "create", "path": "../x", "text": ""})
    )
    assert missing.is_error
    assert "no file" in missing.text
    assert outside.is_error
    assert "../x" in outside.text
