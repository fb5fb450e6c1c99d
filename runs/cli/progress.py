"""A live line on standard error: rollouts done, what they spent, how long is left."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from outlay.runs.types import Outcome


class Progress:
    """A context around a run. Where standard error is no terminal, a line per rollout instead of a bar."""

    def __init__(self, total: int) -> None:
        self.console = Console(stderr=True)
        self.total, self.done = total, 0
        self.tokens, self.usd = 0.0, 0.0
        self.bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.row = self.bar.add_task("rollouts", total=total)

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        self.bar.stop()

    def ended(self, outcome: Outcome) -> None:
        """Counts one rollout."""
        self.done += 1
        self.tokens += outcome.spent.get("tokens", 0.0)
        self.usd += outcome.spent.get("usd", 0.0)
        self.bar.update(self.row, advance=1, description=f"{self.tokens:,.0f} tokens  ${self.usd:.4f}")
        if not self.console.is_terminal:
            r = outcome.rollout
            score = "-" if outcome.score is None else f"{outcome.score:.4g}"
            print(
                f"[{self.done}/{self.total}] {r.task} {r.agent} {outcome.status} score {score}", file=self.console.file
            )
