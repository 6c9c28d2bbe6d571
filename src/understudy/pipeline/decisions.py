"""What a run chose on dev: the loss, and what word tables start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from understudy.core.configs import AUTO, RANDOM, LossConfig, candidates
from understudy.core.task import Task


@dataclass(frozen=True)
class Trial:
    """One of several ways to train, as it was tried.

    Attributes:
        what: What it is a choice of: ``loss`` or ``start``.
        name: The way.
        dev: Score on dev, by the task's metric.
        seconds: That it took.
    """

    what: str
    name: str
    dev: float
    seconds: float


@dataclass(frozen=True)
class Decisions:
    """How the students of a run are trained.

    Attributes:
        loss: What they minimise.
        embeddings: What their word tables start from; ``None`` is random.
        racer: The student that the ways were tried with; empty where nothing was open.
        trials: The ways that were tried.
    """

    loss: LossConfig
    embeddings: str | None = None
    racer: str = ""
    trials: tuple[Trial, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; `from_dict` reads it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Decisions:
        """Read what `to_dict` gave."""
        trials = tuple(Trial(**trial) for trial in facts["trials"])
        return cls(**{**facts, "loss": LossConfig(**facts["loss"]), "trials": trials})

    def notes(self) -> tuple[str, ...]:
        """A sentence for each choice, for the report."""
        chosen = {"loss": describe(self.loss), "start": self.embeddings or RANDOM}
        titles = {"loss": "Loss", "start": "Start of the word tables"}
        found = []
        for what, title in titles.items():
            tried = [trial for trial in self.trials if trial.what == what]
            if tried:
                found.append(f"{title}, chosen on dev with {self.racer}: {chosen[what]} ({_listed(tried)}).")
        return tuple(found)


def losses_to_try(
    loss: LossConfig, task: Task, *, has_gold: bool = True, has_weights: bool = False
) -> tuple[LossConfig, ...]:
    """The losses that a recipe leaves open, the preferred one first; a loss with a name is the only one.

    Args:
        loss: The recipe's. Where it is ``auto``, its noise and its layers hold for each of the losses.
        task: What is learnt.
        has_gold: Whether there are gold labels; without them no loss has a share of these.
        has_weights: Whether gold labels are weighed, so that each loss must have a share of them.
    """
    if loss.name != AUTO:
        return (loss,)
    found = [replace(each, noise=loss.noise, layers=loss.layers) for each in candidates(task)]
    if not has_gold:
        return tuple(dict.fromkeys(replace(each, alpha=0.0) for each in found))
    return tuple(each for each in found if each.alpha or not has_weights)


def describe(loss: LossConfig) -> str:
    """A loss in a few words: ``kl, T = 2, half gold``."""
    parts = [loss.name]
    if loss.temperature != 1.0:
        parts.append(f"T = {loss.temperature:g}")
    if loss.alpha:
        parts.append("half gold" if loss.alpha == 0.5 else f"{loss.alpha:.0%} gold")
    return ", ".join(parts)


def _listed(trials: Sequence[Trial]) -> str:
    return "; ".join(f"{trial.name}: {trial.dev:.3f}" for trial in trials)
