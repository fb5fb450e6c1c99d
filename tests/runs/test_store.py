"""The store: whole events or none, each rollout stands once."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlay.agents.events import Ended, Failed, MessageSeen
from outlay.runs.store import blobs
from outlay.runs.store.experiment import ExperimentStore
from outlay.runs.store.layout import Layout
from outlay.runs.store.log import AttemptLog, read_events
from outlay.runs.types import Outcome, Rollout, Status

ROLLOUT = Rollout(
    task="a/b",
    task_version="1",
    agent="loop",
    model=None,
    budget={},
    seed=0,
    repeat=0,
    sandbox="process",
    hardware="H100",
)


@pytest.fixture
def store(tmp_path: Path) -> ExperimentStore:
    return ExperimentStore(Layout(tmp_path, "experiment"))


def test_a_log_cut_at_any_byte_reads_as_the_events_before_the_cut(tmp_path: Path) -> None:
    path = tmp_path / "1.jsonl"
    log = AttemptLog(path, tmp_path / "blobs")
    log.write(Failed(where="here", error="ünïcode\nline"))
    log.write(Ended(status="completed", spent={"tokens": 3}))
    log.close()
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        assert len(list(read_events(path))) == (cut >= first) + (cut == len(whole))


@given(st.text(), st.text())
def test_what_was_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, role: str, text: str) -> None:
    directory = tmp_path_factory.mktemp("log")
    log = AttemptLog(directory / "1.jsonl", directory / "blobs")
    log.write(MessageSeen(hash="0", role=role, text=text))
    log.close()
    (event,) = read_events(directory / "1.jsonl")
    assert isinstance(event, MessageSeen)
    assert (event.role, event.text) == (role, text)


def test_fields_of_a_later_version_are_kept(tmp_path: Path) -> None:
    (tmp_path / "1.jsonl").write_text('{"type":"ended","seq":4,"status":"completed","spent":{},"new":[1]}\n')
    (event,) = read_events(tmp_path / "1.jsonl")
    assert event.model_dump()["new"] == [1]


def test_the_same_content_is_kept_once(tmp_path: Path) -> None:
    assert blobs.put(tmp_path, b"body") == blobs.put(tmp_path, b"body")
    assert [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()] == [b"body"]


def test_only_one_attempt_of_a_rollout_stands(store: ExperimentStore) -> None:
    for _ in range(2):
        store.open_attempt(ROLLOUT)[1].close()
    outcomes = [Outcome(rollout=ROLLOUT, attempt=n, status=Status.COMPLETED, score=n) for n in (1, 2)]
    assert [store.commit(outcome) for outcome in outcomes] == [True, False]
    assert [outcome.attempt for outcome in store.outcomes()] == [1]
    assert store.missing([ROLLOUT]) == []


def test_infrastructure_errors_do_not_stand(store: ExperimentStore) -> None:
    attempt, log = store.open_attempt(ROLLOUT)
    log.close()
    assert not store.commit(Outcome(rollout=ROLLOUT, attempt=attempt, status=Status.MODEL_ERROR))
    assert store.missing([ROLLOUT]) == [ROLLOUT]
    assert [outcome.status for outcome in store.outcomes()] == [Status.MODEL_ERROR]


def test_an_attempt_is_begun_by_one_process_only(store: ExperimentStore) -> None:
    (first, a), (second, b) = store.open_attempt(ROLLOUT), store.open_attempt(ROLLOUT)
    a.close()
    b.close()
    assert (first, second) == (1, 2)


def test_the_sandbox_kind_does_not_make_another_rollout() -> None:
    assert ROLLOUT.id == ROLLOUT.model_copy(update={"sandbox": "docker"}).id
    assert ROLLOUT.id != ROLLOUT.model_copy(update={"seed": 1}).id
