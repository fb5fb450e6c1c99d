"""Turns folded from events: what was carried over from which call, and what stays booked when a call has no reply."""

from outlay.agents.costs.turns import turns
from outlay.agents.types import Usage
from tests.agents.trajectory import Log


def test_a_continued_call_carries_the_context_and_the_reply_of_its_base() -> None:
    log = Log()
    first = log.ask(0, "system", "user")
    log.answer(1, first, "reply", input=1000, output=200)
    log.tool(1.5, "python", "42")
    second = log.ask(4, "reply", "result", base=first, keep=2)
    log.answer(5, second, "end", input=100, cache_read=1200, output=50)
    one, two = turns(log.events)
    assert (one.new, one.carried, one.tools, one.tools_s) == (1000, 0, {"python": 1}, 0.5)
    assert (two.new, two.carried, two.pause_s, two.usage.cache_read) == (100, 1200, 3.0, 1200)


def test_reasoning_is_not_sent_again_so_it_is_not_carried() -> None:
    log = Log()
    first = log.ask(0, "user")
    log.answer(1, first, "reply", input=1000, output=200, reasoning=150)
    second = log.ask(2, "reply", "more", base=first, keep=1)
    log.answer(3, second, "end", input=1100, output=10)
    assert turns(log.events)[1].carried == 1050


def test_an_edited_context_carries_nothing() -> None:
    log = Log()
    first = log.ask(0, "system", "user", "long result")
    log.answer(1, first, "reply", input=1000, output=10)
    second = log.ask(2, "summary", base=first, keep=2)
    log.answer(3, second, "end", input=300, output=10)
    assert turns(log.events)[1].carried == 0


def test_branches_carry_what_their_own_base_held() -> None:
    log = Log()
    root = log.ask(0, "user")
    log.answer(1, root, "plan", input=500, output=100)
    left = log.ask(2, "plan", "try A", base=root, keep=1, span="a")
    log.answer(3, left, "A", input=650, output=300)
    right = log.ask(4, "plan", "try B", base=root, keep=1, span="b")
    log.answer(5, right, "B", input=650, output=300)
    after_left = log.ask(6, "A", "go on", base=left, keep=3, span="a")
    log.answer(7, after_left, "end", input=1000, output=10)
    assert [turn.carried for turn in turns(log.events)] == [0, 600, 600, 950]


def test_another_model_has_another_cache() -> None:
    log = Log()
    first = log.ask(0, "user")
    log.answer(1, first, "reply", input=1000, output=10)
    second = log.ask(2, "reply", base=first, keep=1, model="scripted:other")
    log.answer(3, second, "end", input=1010, output=10)
    assert turns(log.events)[1].carried == 0


def test_a_failed_call_costs_nothing_and_passes_on_what_it_would_have_read() -> None:
    log = Log()
    first = log.ask(0, "user")
    log.answer(1, first, "reply", input=1000, output=10)
    refused = log.ask(2, "reply", "more", base=first, keep=1)
    log.answer(3, refused, outcome="failed")
    again = log.ask(9, base=refused, keep=3)
    log.answer(10, again, "end", input=1200, output=10)
    _, failed, retried = turns(log.events)
    assert (failed.usage, failed.booked) == (Usage(), {})
    assert (retried.carried, retried.pause_s) == (1010, 8.0)


def test_a_call_without_a_reply_or_with_an_unknown_one_keeps_what_was_held() -> None:
    held = {"tokens": 1100, "pte": 7_000_000}
    log = Log()
    unknown = log.ask(0, "user", held=held)
    log.answer(1, unknown, outcome="unknown", cost=held)
    log.ask(2, "user", held=held)
    for turn in turns(log.events):
        assert turn.at_worst
        assert turn.booked == held
        assert turn.usage == Usage(input=1000, output=100)


def test_tools_before_any_model_call_are_a_turn_of_their_own() -> None:
    log = Log()
    log.tool(0, "search", units=3)
    log.tool(1, "search")
    (turn,) = turns(log.events)
    assert (turn.model, turn.outcome, turn.tools, turn.booked) == (
        None,
        "no call",
        {"search": 4},
        {"tool_calls": 2, "search": 3},
    )


def test_usage_that_contradicts_itself_is_flagged() -> None:
    log = Log()
    first = log.ask(0, "user")
    raw = {"usage": {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 9}}}
    log.answer(1, first, "reply", cache_read=5, output=1, raw=raw)
    (turn,) = turns(log.events)
    assert (turn.clamped, turn.usage.context) == (True, 5)


def test_fields_that_only_newer_logs_know_do_not_disturb() -> None:
    log = Log()
    log.answer(1, log.ask(0, "user"), "reply", input=5, output=1, tokens_of_tomorrow=3)
    assert turns(log.events)[0].usage == Usage(input=5, output=1)
