"""Where things lie. One directory per experiment; one per rollout in it; one log per attempt.

ROOT/EXPERIMENT/spec.json
ROOT/EXPERIMENT/judge_secret                what hidden cases are drawn from
ROOT/EXPERIMENT/blobs/ab/abcdef...          content by SHA-256
ROOT/EXPERIMENT/rollouts/ID/1.jsonl         events of attempt 1
ROOT/EXPERIMENT/rollouts/ID/1.json          how attempt 1 ended
ROOT/EXPERIMENT/rollouts/ID/standing.json   the attempt that stands: a hard link, made once
"""

import os
from dataclasses import dataclass
from pathlib import Path


def default_root() -> Path:
    """`OUTLAY_RESULTS`, or `results` in the current directory."""
    return Path(os.environ.get("OUTLAY_RESULTS", "results"))


@dataclass(frozen=True)
class Layout:
    """Paths of one experiment."""

    root: Path
    experiment: str

    @property
    def directory(self) -> Path:
        return self.root / self.experiment

    @property
    def spec(self) -> Path:
        return self.directory / "spec.json"

    @property
    def judge_secret(self) -> Path:
        return self.directory / "judge_secret"

    @property
    def blobs(self) -> Path:
        return self.directory / "blobs"

    @property
    def rollouts(self) -> Path:
        return self.directory / "rollouts"

    def rollout(self, rollout_id: str) -> Path:
        return self.rollouts / rollout_id
