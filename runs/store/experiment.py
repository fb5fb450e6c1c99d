"""One experiment on disk: which rollouts stand, which are missing, which attempt is next."""

import os
import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from outlay.agents.books import fold
from outlay.agents.events import Event
from outlay.runs.errors import NotFound
from outlay.runs.store.layout import Layout
from outlay.runs.store.log import AttemptLog, read_events
from outlay.runs.types import Outcome, Rollout, Spec


@dataclass(frozen=True)
class ExperimentStore:
    """Plain files only, so any number of processes may read and run the same experiment."""

    layout: Layout

    def begin(self, spec: Spec) -> None:
        """Notes what was asked for last."""
        self.layout.directory.mkdir(parents=True, exist_ok=True)
        _replace(self.layout.spec, spec.model_dump_json(indent=2))

    def judge_seed(self, rollout: Rollout) -> str:
        """What all verifications of a rollout draw hidden cases from: equal for all agents of one repeat, and unknown
        to whoever cannot read this folder. docs/decisions/0006-hidden-seeds.md
        """
        return f"{_drawn_once(self.layout.judge_secret)}/{rollout.seed}"

    def missing(self, rollouts: Sequence[Rollout]) -> list[Rollout]:
        """Those without a standing outcome, in order."""
        return [r for r in rollouts if not (self.layout.rollout(r.id) / "standing.json").exists()]

    def open_attempt(self, rollout: Rollout) -> tuple[int, AttemptLog]:
        """The next attempt of a rollout; two processes never get the same one."""
        directory = self.layout.rollout(rollout.id)
        attempt = 1 + max((int(p.stem) for p in directory.glob("*.jsonl")), default=0)
        while True:
            try:
                return attempt, AttemptLog(directory / f"{attempt}.jsonl", self.layout.blobs)
            except FileExistsError:
                attempt += 1

    def commit(self, outcome: Outcome) -> bool:
        """Whether this attempt stands now. False when its status does not stand, or another attempt already does."""
        directory = self.layout.rollout(outcome.id)
        path = directory / f"{outcome.attempt}.json"
        _replace(path, outcome.model_dump_json())
        if not outcome.status.stands:
            return False
        try:
            os.link(path, directory / "standing.json")
        except FileExistsError:
            return False
        return True

    def outcomes(self) -> Iterator[Outcome]:
        """Per rollout the outcome that stands, else that of the last attempt that ended."""
        if not self.layout.directory.is_dir():
            raise NotFound(f"no experiment {self.layout.experiment!r} in {self.layout.root}; `outlay ls` lists them")
        for directory in sorted(self.layout.rollouts.glob("*")):
            ended = sorted(directory.glob("[0-9]*.json"), key=lambda path: int(path.stem))
            standing = directory / "standing.json"
            if standing.exists() or ended:
                yield Outcome.model_validate_json((standing if standing.exists() else ended[-1]).read_bytes())

    def events(self, outcome: Outcome) -> Iterator[Event]:
        """Of the attempt that this outcome sums up."""
        return read_events(self.layout.rollout(outcome.id) / f"{outcome.attempt}.jsonl")


@dataclass(frozen=True)
class Unscored:
    """What attempts that do not stand have cost: torn, cancelled, failed, or still at work. It counts, their scores do
    not.
    """

    attempts: int
    spent: dict[str, int]
    """By agents and judges, in smallest units; calls in flight at their worst case."""


def unscored(layout: Layout) -> Unscored:
    """Read from the events of those attempts."""
    total: Counter[str] = Counter()
    logs = [log for directory in sorted(layout.rollouts.glob("*")) for log in _not_standing(directory)]
    for log in logs:
        if books := fold(read_events(log)):
            total.update(books.rollout.spent)
            total.update(books.rollout.held)
    return Unscored(len(logs), dict(total))


def _not_standing(directory: Path) -> Iterator[Path]:
    standing = directory / "standing.json"
    for log in directory.glob("*.jsonl"):
        ended = log.with_suffix(".json")
        if not (standing.exists() and ended.exists() and ended.samefile(standing)):
            yield log


def experiments(root: Path) -> list[str]:
    """Names of the experiments under `root`, newest first."""
    found = sorted(root.glob("*/spec.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    return [path.parent.name for path in found]


def _drawn_once(path: Path) -> str:
    """The secret in `path`, drawn by whoever asks first; all processes get the same one."""
    if not path.exists():
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex())
        with suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text()


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text)
    draft.rename(path)
