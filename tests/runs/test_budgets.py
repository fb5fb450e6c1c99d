"""Budgets of a whole run: units of tools, notices, and accounts that the log gives again."""

import json
from pathlib import Path

import pytest

from outlay.agents.books import fold
from outlay.agents.events import Ended, Event, MessageSeen, Notified
from outlay.runs.store.log import read_events
from tests.runs.conftest import Outlay, calling, script

SEARCH = '''
from pydantic import BaseModel

from outlay.tools.types import ToolResult


class Queries(BaseModel):
    queries: list[str]


class Search:
    """Each query of a batch costs one, as in BATS (arXiv 2511.17006)."""

    name = "search"
    description = "Search."
    arguments = Queries
    meters = ("queries",)

    def units(self, args):
        return {"queries": len(args.queries)}

    async def __call__(self, args, context):
        return ToolResult("nothing found")


search = Search()
'''
RUN = ("run", "-t", "word.py:task", "-a", "loop", "--name", "e", "--sandbox", "weak")


def events(world: Path) -> list[Event]:
    (log,) = (world / "results" / "e" / "rollouts").glob("*/1.jsonl")
    return list(read_events(log))


@pytest.fixture
def searching(world: Path) -> Path:
    """The task's agents may search."""
    (world / "search.py").write_text(SEARCH)
    word = world / "word.py"
    word.write_text(word.read_text().replace('tools=("bash"', f'tools=("{world}/search.py:search", "bash"'))
    return world


def test_a_batch_of_queries_costs_one_unit_each_and_one_that_does_not_fit_is_not_made(
    searching: Path, outlay: Outlay
) -> None:
    batch = calling("search", {"queries": ["a", "b", "c"]})
    model = script(searching, batch, batch, batch, batch)
    assert outlay(*RUN, "-m", model, "-b", "queries=10").returncode == 0
    (rollout,) = json.loads(outlay("ls", "e", "--rollouts", "--json").stdout)
    assert rollout["status"] == "budget_exhausted"
    assert rollout["error"].startswith("queries: 3 asked, 1 of 10 left")
    assert (rollout["spent"]["queries"], rollout["spent"]["tool_calls"]) == (9, 3)


def test_units_of_a_tool_with_a_price_are_paid_from_the_budget_on_usd(searching: Path, outlay: Outlay) -> None:
    """BATS pays $0.001 per query (arXiv 2511.17006)."""
    (searching / "costs.toml").write_text('[[tool_prices]]\ntool = "search"\nusd = 0.001\n')
    batch = calling("search", {"queries": ["a", "b", "c"]})
    model = script(searching, batch, batch, batch)
    assert outlay(*RUN, "-m", model, "-b", "usd=0.007", OUTLAY_COSTS="costs.toml").returncode == 0
    (rollout,) = json.loads(outlay("ls", "e", "--rollouts", "--json").stdout)
    assert (rollout["status"], rollout["spent"]["usd"]) == ("budget_exhausted", 0.006)


def test_what_a_tool_itself_draws_of_usd_is_paid_beside_its_price(searching: Path, outlay: Outlay) -> None:
    drawing = SEARCH.replace('{"queries": len(args.queries)}', '{"queries": len(args.queries), "usd": 1_000_000}')
    (searching / "search.py").write_text(drawing)
    (searching / "costs.toml").write_text('[[tool_prices]]\ntool = "search"\nusd = 0.001\n')
    model = script(searching, calling("search", {"queries": ["a", "b"]}), calling("submit"))
    assert outlay(*RUN, "-m", model, "-b", "usd=1", OUTLAY_COSTS="costs.toml").returncode == 0
    (rollout,) = json.loads(outlay("ls", "e", "--rollouts", "--json").stdout)
    assert rollout["spent"]["usd"] == 0.003


def test_a_budget_on_a_meter_of_no_tool_of_the_task_is_refused(world: Path, outlay: Outlay) -> None:
    model = script(world, calling("submit"))
    refused = outlay(*RUN, "-m", model, "-b", "queries=10")
    assert (refused.returncode, "unknown meter 'queries'" in refused.stderr) == (2, True)


def test_an_agent_is_told_once_of_each_threshold_it_crosses(world: Path, outlay: Outlay) -> None:
    """Of 8 tool calls a quarter is used after the second, and three quarters after the sixth."""
    model = script(world, *[calling("bash", {"command": "true"})] * 7, calling("submit"))
    (world / "told.toml").write_text(
        f"""
        name = "e"
        tasks = ["{world}/word.py:task"]
        agents = ["loop"]
        models = ["{model}"]
        notices = [0.25, 0.75]
        sandbox = "weak"
        budget = {{ tool_calls = 8 }}
        """
    )
    assert outlay("run", "told.toml").returncode == 0
    found = events(world)
    told = [event for event in found if isinstance(event, Notified)]
    assert [(notice.meter, notice.share) for notice in told] == [("tool_calls", 0.25), ("tool_calls", 0.75)]
    assert told[0].text == "Budget: 25% of tool_calls is used; 6 of 8 left."
    said = [event.text for event in found if isinstance(event, MessageSeen) and event.role == "user"]
    assert said[1:] == [notice.text for notice in told]


@pytest.mark.parametrize("agent", ["loop", "mutate"])
def test_the_accounts_made_from_a_log_are_those_that_the_run_ended_with(
    world: Path, outlay: Outlay, agent: str
) -> None:
    model = script(world, calling("evaluate"), calling("nonsense"), calling("evaluate"), calling("submit"))
    run = ("run", "-t", "word.py:task", "-a", agent, "--name", "e", "--sandbox", "weak")
    assert outlay(*run, "-m", model, "-b", "evaluations=2,tokens=100000").returncode == 0
    found = events(world)
    ended, books = found[-1], fold(found)
    assert isinstance(ended, Ended)
    assert books is not None
    assert (books.agent.spent, books.judge.spent, books.holds) == (ended.spent, ended.judge, {})
    assert books.judge.spent["wall_s"] > 0


def test_a_death_after_any_event_leaves_no_more_in_flight_than_one_call(world: Path, outlay: Outlay) -> None:
    limits = {"evaluations": 2, "tool_calls": 5, "model_calls": 9}
    model = script(world, calling("bash", {"command": "true"}), calling("evaluate"), calling("submit"))
    budget = ",".join(f"{meter}={limit}" for meter, limit in limits.items())
    assert outlay(*RUN, "-m", model, "-b", budget).returncode == 0
    found = events(world)
    before: dict[str, int] = {}
    for count in range(1, len(found) + 1):
        books = fold(found[:count])
        assert books is not None
        assert len(books.holds) <= 1
        spent, held = books.agent.spent, books.agent.held
        assert all(spent.get(meter, 0) >= amount for meter, amount in before.items())
        assert all(spent.get(meter, 0) + held.get(meter, 0) <= limit for meter, limit in limits.items())
        before = spent
