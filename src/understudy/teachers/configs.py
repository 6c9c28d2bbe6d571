"""The options of teachers that are not local models; this needs neither torch nor a client library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from understudy.core.checks import STRICT, check_choice, check_positive
from understudy.errors import RecipeError
from understudy.teachers.chat.config import ServerConfig

TARGETS = ("auto", "soft", "hard", "votes")
"""What is asked of an endpoint: see `EndpointConfig.targets`."""

VALUES = ("logits", "probabilities")
"""What the columns of a table hold."""


def check_smoothing(smoothing: float) -> None:
    """Refuse a share that gives the chosen label less than half, or everything."""
    if not 0.0 < smoothing < 0.5:
        raise RecipeError(f"smoothing is {smoothing}, but must lie between 0 and 0.5, both excluded.")


@dataclass(frozen=True, kw_only=True)
class EndpointConfig(ServerConfig):
    """A chat server that teaches, with the options of any chat server.

    Attributes:
        labels: Label name → one line that describes it, which may be empty.
        instructions: The task in your words, put before the labels.
        targets: ``soft`` reads the distribution over labels from the log-probabilities of the first token;
            ``hard`` asks for one answer as JSON; ``votes`` asks ``samples`` times; ``auto`` is soft where
            the server gives log-probabilities (and the kind of task has one label per text), else hard.
        samples: How often each text is asked about, where targets are votes.
        temperature: Temperature of the sampling, where targets are votes; the other forms ask with 0.
        smoothing: Probability that the labels that were not chosen share, where targets are hard; where they
            are votes, the pseudo-count of each label.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    labels: dict[str, str]
    instructions: str = ""
    targets: str = "auto"
    samples: int = 5
    temperature: float = 1.0
    smoothing: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.labels) < 2:
            raise RecipeError(f"labels names {len(self.labels)}, but an endpoint needs at least two labels.")
        check_choice("form of targets", self.targets, TARGETS)
        check_smoothing(self.smoothing)
        check_positive(samples=self.samples, temperature=self.temperature)

    def decisive(self) -> Mapping[str, object]:
        """Everything that decides the answers; when anything else changes, what was bought is kept."""
        names = ("base_url", "model", "labels", "instructions", "targets", "smoothing", "max_tokens", "extra")
        sampling = ("samples", "temperature") if self.targets == "votes" else ()
        return {name: getattr(self, name) for name in (*names, *sampling)}


@dataclass(frozen=True)
class TableConfig:
    """Answers in a file, by text.

    Attributes:
        path: A CSV, TSV, JSONL or Parquet file.
        text_column: Column of the texts, or the two columns of a pair; ``None`` guesses.
        label_column: Column of hard targets; ``None`` takes one column for each label.
        values: What the columns of labels hold: ``logits`` or ``probabilities``.
        smoothing: Hard targets: probability that the labels that were not chosen share.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    path: str
    text_column: str | tuple[str, ...] | None = None
    label_column: str | None = None
    values: str = "logits"
    smoothing: float = 0.05

    def __post_init__(self) -> None:
        check_choice("form of values", self.values, VALUES)
        check_smoothing(self.smoothing)
