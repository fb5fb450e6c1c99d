"""Reads what a hostile process handed back, and compares it type by type.

A reply is one line of strict JSON: `{"id": ..., "result": ...}` or `{"id": ..., "error": ...}`. Size, nesting and the
length of numbers are bounded before anything is parsed, in time linear in the bytes.
"""

import json
import math
import re
from collections.abc import Sequence
from typing import Any, NoReturn

REPLY_BYTES = 1 << 20
"""The largest reply that is read."""
DEPTH = 64
"""The deepest nesting of lists and dicts."""
DIGITS = 300
"""The longest number; any such number is finite as a float."""
SHOWN = 200
"""Characters kept of a candidate's own words."""

# Possessive, and an unclosed string runs to the end: no byte is looked at twice.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.?)*+"?', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


class Unreadable(Exception):
    """There is no result; the message says why, in words that may be shown to an agent."""


def read_reply(body: bytes, identity: str) -> Any:
    """The result in `body`. Raises `Unreadable` when it is not exactly one complete reply to the case `identity`."""
    line = _one_line(body)
    _check_depth(line)
    try:
        reply = json.loads(
            line.decode(),
            object_pairs_hook=_unique,
            parse_constant=_not_finite,
            parse_float=_finite_float,
            parse_int=_short_int,
        )
        json.dumps(reply, ensure_ascii=False).encode()  # halves of surrogate pairs are no text
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not JSON: {shown(error)}") from None
    if not isinstance(reply, dict) or reply.get("id") != identity or len(reply) != 2:
        raise Unreadable("not JSON of the agreed form")
    if isinstance(reply.get("error"), str):
        raise Unreadable(f"error: {shown(reply['error'])}")
    if "result" not in reply:
        raise Unreadable("not JSON of the agreed form")
    return reply["result"]


def same(found: Any, expected: Any, *, relative: float = 0.0, absolute: float = 0.0) -> bool:
    """Whether `found` is `expected`, type by type: `True` is not 1, 1.0 is no int; an int is fine where a float is
    expected, and only there do the tolerances hold. Both are of JSON's types, with finite numbers.
    """
    match expected:
        case list() | tuple():
            return (
                isinstance(found, list)
                and len(found) == len(expected)
                and all(same(f, e, relative=relative, absolute=absolute) for f, e in zip(found, expected, strict=True))
            )
        case dict():
            return (
                isinstance(found, dict)
                and found.keys() == expected.keys()
                and all(same(found[key], item, relative=relative, absolute=absolute) for key, item in expected.items())
            )
        case float():
            return is_number(found) and math.isclose(found, expected, rel_tol=relative, abs_tol=absolute)
        case _:
            return type(found) is type(expected) and bool(found == expected)


def is_number(value: Any) -> bool:
    """A finite int or float, and no bool."""
    return type(value) in (int, float) and math.isfinite(value)


def shown(words: object) -> str:
    """A candidate's words, fit for a terminal and a record: printable, and not many."""
    return "".join(c if c.isprintable() else " " for c in str(words)[: 2 * SHOWN])[:SHOWN].strip()


def _one_line(body: bytes) -> bytes:
    if len(body) > REPLY_BYTES:
        raise Unreadable(f"too large: its result has more than {REPLY_BYTES:,} bytes")
    line, end, more = body.partition(b"\n")
    if more:
        raise Unreadable("two results")
    if not end:
        raise Unreadable("not JSON: it is cut off")
    return line


def _check_depth(line: bytes) -> None:
    """Before a parser sees it: parsers recurse."""
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub(b"", line)):
        depth += 1 if bracket[0] in (b"[", b"{") else -1
        if depth > DEPTH:
            raise Unreadable(f"nested deeper than {DEPTH}")


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _not_finite(name: str) -> NoReturn:
    raise ValueError(f"{name} is no finite number")


def _finite_float(text: str) -> float:
    number = float(_short(text))
    if not math.isfinite(number):
        raise ValueError(f"{text} is no finite number")
    return number + 0.0  # -0.0 becomes 0.0


def _short_int(text: str) -> int:
    return int(_short(text))


def _short(text: str) -> str:
    """Reading digits takes time quadratic in their number."""
    if len(text) > DIGITS:
        raise ValueError(f"a number has more than {DIGITS} characters")
    return text
