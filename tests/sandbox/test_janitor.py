"""What a sweep removes, and what it never touches (`outlay clean`, and every run's own sweeps)."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import docker
import pytest
from docker.errors import NotFound

from outlay.sandbox import janitor
from outlay.sandbox.owner import Owner, Reason, is_alive, labels, parse, this_process
from outlay.sandbox.recipes import DEFAULT

pytestmark = pytest.mark.docker

RUNNER = Path(__file__).with_name("runner.py")
OUTLAY = str(Path(sys.executable).with_name("outlay"))
LABELS = "import json; from outlay.sandbox.owner import labels; print(json.dumps(labels()))"
HOLDER = """
import os, sys
from outlay.sandbox.workspaces import made_workspace
print(made_workspace(), flush=True)
if sys.argv[1:] == ["die"]: os.kill(os.getpid(), 9)
sys.stdin.read()
"""
OVER = {"outlay.expires": "1000000000"}
"""A time that has long passed."""
Leave = Callable[[dict[str, str]], str]


@pytest.fixture
def engine(docker_engine: None) -> Iterator[Any]:  # noqa: ARG001
    with closing(docker.from_env()) as client:
        yield client


@pytest.fixture
def leave(engine: Any) -> Iterator[Leave]:
    """Makes a container with these labels, whose stdin nobody holds; gives its id."""
    made: list[str] = []

    def create(labels: dict[str, str]) -> str:
        made.append(
            engine.api.create_container(DEFAULT, ["sleep", "600"], labels=labels, name=f"outlay-{uuid4()}")["Id"]
        )
        return made[-1]

    yield create
    for container in made:
        with suppress(NotFound):
            engine.api.remove_container(container, force=True)


def is_there(engine: Any, container: str) -> bool:
    return bool(engine.containers.list(all=True, filters={"id": container}))


def gone(engine: Any, container: str) -> None:
    """Waits until the engine has removed it; fails after a minute."""
    with suppress(NotFound):
        engine.api.wait(container, condition="removed", timeout=60)


def labels_of_the_dead(*wrapper: str) -> dict[str, str]:
    """What a process that has ended by now put on its containers."""
    done = subprocess.run([*wrapper, sys.executable, "-c", LABELS], capture_output=True, check=True)
    seen: dict[str, str] = json.loads(done.stdout)
    return seen


def foreign() -> dict[str, str]:
    """Labels of an owner that another machine or another boot knows."""
    return {**labels(), "outlay.owner": str(Owner("01234567-89ab-cdef-0123-456789abcdef", 1, 1, 1))}


@pytest.fixture
def runner() -> Iterator[Callable[[int], "subprocess.Popen[str]"]]:
    """Starts a process that holds some sandboxes, every second one in the middle of a command."""
    started: list[subprocess.Popen[str]] = []

    def start(sandboxes: int) -> "subprocess.Popen[str]":
        pipe = subprocess.PIPE
        started.append(subprocess.Popen([sys.executable, RUNNER, str(sandboxes)], stdin=pipe, stdout=pipe, text=True))
        return started[-1]

    yield start
    for process in started:
        with process:
            process.kill()


def held_by(process: "subprocess.Popen[str]") -> list[str]:
    assert process.stdout is not None
    held: list[str] = json.loads(process.stdout.readline())
    return held


def until_busy(engine: Any, containers: list[str]) -> None:
    """Returns when a command runs in each of them."""
    waiting = set(containers)
    while waiting:
        waiting -= {c for c in waiting if "sleep 600" in str(engine.api.top(c)["Processes"])}


def test_sandboxes_end_with_a_runner_that_is_killed(engine: Any, runner: Callable[..., Any]) -> None:
    process = runner(32)
    held = held_by(process)
    until_busy(engine, held[::2])
    owner = engine.api.inspect_container(held[0])["Config"]["Labels"]["outlay.owner"]
    assert (len(held), is_alive(parse(owner))) == (32, True)  # type: ignore[arg-type]
    process.send_signal(signal.SIGKILL)
    for container in held:
        gone(engine, container)
    assert not engine.api.containers(all=True, filters={"label": f"outlay.owner={owner}"})


def test_clean_removes_what_the_end_of_stdin_could_not(engine: Any, leave: Leave) -> None:
    container = leave(labels_of_the_dead())
    engine.api.start(container)
    told = outlay_clean()
    assert [each["reason"] for each in told["removed"] if each["id"] == container] == ["owner dead"]
    assert not is_there(engine, container)


def test_a_dry_run_tells_and_removes_nothing(engine: Any, leave: Leave) -> None:
    container = leave(labels_of_the_dead())
    told = outlay_clean("--dry-run")
    assert container in [each["id"] for each in told["removed"]]
    assert is_there(engine, container)


def test_networks_and_volumes_of_the_dead_go_too(engine: Any) -> None:
    dead = labels_of_the_dead()
    network = engine.networks.create(f"outlay-{uuid4()}", internal=True, labels=dead)
    volume = engine.volumes.create(f"outlay-{uuid4()}", labels=dead)
    swept = janitor.sweep(engine, time.time())
    assert {network.id, volume.id} <= {orphan.id for orphan in swept.removed}
    for thing in (network, volume):
        with pytest.raises(NotFound):
            thing.reload()


@pytest.mark.parametrize(
    "bears",
    [
        pytest.param({}, id="unlabelled"),
        pytest.param({"outlay": "1"}, id="our label alone"),
        pytest.param({"outlay": "1", "outlay.owner": "1:1", "outlay.expires": "1"}, id="an owner of another format"),
        pytest.param(foreign() | {"outlay.expires": "soon"}, id="an end that is no time"),
        pytest.param(labels(), id="a living owner"),
        pytest.param(labels() | OVER, id="a living owner, lifetime over"),
        pytest.param(foreign(), id="another machine's"),
    ],
)
def test_what_is_not_surely_orphaned_stays(engine: Any, leave: Leave, bears: dict[str, str]) -> None:
    container = leave(bears)
    swept = janitor.sweep(engine, time.time())
    assert container not in [orphan.id for orphan in swept.removed]
    assert is_there(engine, container)


def test_another_machines_container_goes_when_its_lifetime_is_over(engine: Any, leave: Leave) -> None:
    container = leave(foreign() | OVER)
    (orphan,) = [each for each in janitor.sweep(engine, time.time()).removed if each.id == container]
    assert orphan.reason is Reason.EXPIRED
    assert not is_there(engine, container)


def test_a_living_owners_container_past_its_lifetime_is_told_and_kept(engine: Any, leave: Leave) -> None:
    container = leave(labels() | {"outlay.experiment": "some-experiment"} | OVER)
    (orphan,) = [each for each in janitor.sweep(engine, time.time()).kept if each.id == container]
    assert (orphan.reason, orphan.experiment) == (Reason.OVERDUE, "some-experiment")


@pytest.mark.skipif(os.geteuid() != 0, reason="making a process-id namespace needs root")
def test_an_owner_in_another_container_cannot_be_known_dead(engine: Any, leave: Leave) -> None:
    bears = labels_of_the_dead("unshare", "--pid", "--fork", "--mount-proc")
    container = leave(bears)
    assert container not in [orphan.id for orphan in janitor.orphans(engine, time.time())]
    assert container in [orphan.id for orphan in janitor.orphans(engine, time.time() + 7 * 3600)]


def test_two_runners_never_remove_each_others(engine: Any, runner: Callable[..., Any]) -> None:
    one, two = runner(2), runner(2)
    held = [*held_by(one), *held_by(two)]
    for process in (one, two):
        print("sweep", file=process.stdin, flush=True)
        assert not set(held) & {orphan["id"] for orphan in json.loads(process.stdout.readline())}
    for process in (one, two):
        print("try", file=process.stdin, flush=True)
        assert json.loads(process.stdout.readline()) == [0]  # of those that are not in the middle of a command
    assert all(is_there(engine, container) for container in held)


def test_a_run_sweeps_at_its_start_and_now_and_then(engine: Any, leave: Leave, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(janitor, "EVERY_S", 0.2)

    async def run() -> None:
        async with janitor.tended(engine=True):
            await asyncio.to_thread(gone, engine, before)
            await asyncio.to_thread(gone, engine, leave(labels_of_the_dead()))

    before = leave(labels_of_the_dead())
    asyncio.run(run())


def test_a_run_begins_with_a_sweep(engine: Any, leave: Leave, tmp_path: Path) -> None:
    container = leave(labels_of_the_dead())
    what = ["-t", "answer/arithmetic", "-a", "baseline", "--sandbox", "docker", "--results", str(tmp_path)]
    subprocess.run([OUTLAY, "run", *what], capture_output=True, check=True)
    assert not is_there(engine, container)


def test_the_process_that_had_our_id_before_us_is_dead() -> None:
    us = this_process()
    assert is_alive(us)
    assert is_alive(Owner(us.boot, us.namespace, us.pid, us.started_ticks - 1)) is False
    assert is_alive(Owner(us.boot, us.namespace + 1, us.pid, us.started_ticks)) is None


def test_an_owner_that_its_parent_has_not_asked_about_is_dead() -> None:
    with subprocess.Popen([sys.executable, "-c", LABELS], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        owner = parse(json.loads(process.stdout.read())["outlay.owner"])  # read to its end: the process is over or ends
        assert owner is not None
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert is_alive(owner) is False


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_workspaces_of_the_dead_go_and_those_of_the_living_stay(temporary: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as living:
        assert living.stdin is not None and living.stdout is not None
        held = Path(living.stdout.readline().decode().strip())
        dying = subprocess.run([sys.executable, "-c", HOLDER, "die"], stdout=subprocess.PIPE, check=False)
        left = Path(dying.stdout.decode().strip())
        (temporary / "outlay-of-somebody").mkdir()
        told = outlay_clean("--dry-run")
        assert [each["id"] for each in told["removed"] if each["kind"] == "workspace"] == [str(left.parent)]
        assert left.exists()
        outlay_clean()
        assert set(temporary.iterdir()) == {held.parent, temporary / "outlay-of-somebody"}
        living.stdin.close()


def outlay_clean(*arguments: str) -> dict[str, Any]:
    command = [OUTLAY, "clean", "--json", *arguments]
    told: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return told


def test_clean_says_what_it_did_in_words_for_people(engine: Any, leave: Leave) -> None:  # noqa: ARG001
    container = leave(labels_of_the_dead())
    done = subprocess.run([OUTLAY, "clean"], capture_output=True, text=True, check=True)
    assert container[:12] in done.stdout
    assert "owner dead" in done.stdout


def test_clean_without_an_engine_still_sweeps_workspaces(temporary: Path) -> None:  # noqa: ARG001
    env = {**os.environ, "DOCKER_HOST": "unix:///nowhere.sock"}
    done = subprocess.run([OUTLAY, "clean"], capture_output=True, text=True, check=True, env=env)
    assert "only workspaces were swept" in done.stderr
