"""What a hostile process hands back is read strictly, in linear time, and compared type by type."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlay.tasks.replies import DEPTH, DIGITS, REPLY_BYTES, Unreadable, read_reply, same, shown

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**200), 10**200)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=20,
)


def reply(result: bytes) -> bytes:
    return b'{"id": "a", "result": ' + result + b"}\n"


@given(VALUES)
def test_every_plain_value_comes_back_as_itself(value: Any) -> None:
    assert same(read_reply(reply(json.dumps(value).encode()), "a"), value)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "cut off"),
        (b'{"id": "a", "result": 1}', "cut off"),
        (b'{"id": "a", "resu', "cut off"),
        (reply(b"1") + reply(b"1"), "two results"),
        (reply(b"1") + b"x", "two results"),
        (b"3 passed\n", "not JSON"),
        (b"\xff\xfe\n", "not JSON"),
        (b"1\n", "agreed form"),
        (b"[]\n", "agreed form"),
        (b'{"id": "a"}\n', "agreed form"),
        (b'{"id": "b", "result": 1}\n', "agreed form"),
        (b'{"id": "a", "result": 1, "more": 2}\n', "agreed form"),
        (b'{"id": "a", "error": 1}\n', "agreed form"),
        (b'{"id": "a", "result": 1, "result": 2}\n', "stands there twice"),
        (reply(b'{"x": 1, "x": 1}'), "stands there twice"),
        (reply(b"NaN"), "NaN is no finite number"),
        (reply(b"-Infinity"), "-Infinity is no finite number"),
        (reply(b"1e999"), "1e999 is no finite number"),
        (reply(b"9" * (DIGITS + 1)), "more than 300 characters"),
        (reply(b"0." + b"9" * 900_000), "more than 300 characters"),
        (reply(b"[" * (DEPTH + 1) + b"]" * (DEPTH + 1)), "nested deeper"),
        (reply(b"[" * 500_000), "nested deeper"),
        (reply(b'{"a":' * 100_000), "nested deeper"),
        (reply(b'"\\ud800"'), "surrogates not allowed"),
        (reply(b'"' + b"x" * REPLY_BYTES + b'"'), "too large"),
        (reply(b'"' + b'\\"' * 500_000), "not JSON"),
        (reply(b'"\\"' * 300_000), "not JSON"),
        (b'{"id": "a", "error": "Odd: \\u001b[2Jred\\u202e"}\n', r"error: Odd:  \[2Jred$"),
    ],
)
def test_anything_else_is_no_result_and_says_why(body: bytes, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        read_reply(body, "a")


@given(st.binary() | st.text().map(str.encode))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_reply(body + b"\n", "a")


def test_brackets_in_text_are_no_nesting() -> None:
    assert read_reply(reply(json.dumps(['"[\\' * 1000]).encode()), "a") == ['"[\\' * 1000]


def test_a_negative_zero_is_a_zero() -> None:
    assert str(read_reply(reply(b"-0.0"), "a")) == "0.0"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (1, 1),
        (1.5, 1.5),
        (2, 2.0),
        ("a", "a"),
        (None, None),
        (True, True),
        ([1, [2.0]], (1, (2.0,))),
        ({"a": 1}, {"a": 1}),
    ],
)
def test_equal_values_are_the_same(found: Any, expected: Any) -> None:
    assert same(found, expected)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (True, 1),
        (1, True),
        (1.0, 1),
        (True, 1.0),
        (0, False),
        (None, 0),
        ("1", 1),
        ("1.0", 1.0),
        (None, 1.0),
        ([1], [1, 2]),
        ([1, 2, 3], [1, 2]),
        ([[]], [{}]),
        ({"a": 1, "b": 2}, {"a": 1}),
        ({}, {"a": None}),
        (10**299, 1.0),
        ("abc", ["a", "b", "c"]),
    ],
)
def test_values_that_only_look_equal_are_not_the_same(found: Any, expected: Any) -> None:
    assert not same(found, expected)


def test_tolerances_hold_for_floats_only() -> None:
    assert same([1.0001], [1.0], relative=1e-3)
    assert same([0.0001], [0.0], absolute=1e-3)
    assert not same([1.1], [1.0], relative=1e-3)
    assert not same([1001], [1000], relative=1e-2)


@given(st.text() | st.binary())
def test_a_candidates_words_are_printable_and_few(words: object) -> None:
    assert len(shown(words)) <= 200
    assert shown(words).isprintable()
