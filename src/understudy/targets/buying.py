"""Buy an endpoint's answers for a logit store: what can be bought is kept, and what remains is reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from understudy.core.progress import Progress
from understudy.core.task import Item, Task
from understudy.targets.ledger import Ledger, read_aside, write_aside
from understudy.targets.store import LogitStore
from understudy.teachers.chat.budget import Usage
from understudy.teachers.chat.ledger import ASIDE, LEDGER
from understudy.teachers.configs import EndpointConfig
from understudy.teachers.endpoint import Endpoint, opened
from understudy.teachers.prompt import Prompt

SHARD = 64
"""Answers per shard of the store; until a shard is full they stand in the ledger alone."""


@dataclass(frozen=True)
class Bought:
    """What stands in the store after buying.

    Attributes:
        asked: Distinct texts that were wanted.
        new: Texts that were answered now.
        set_aside: Texts without a usable answer.
        remaining: Texts that are neither answered nor set aside.
        why: Why texts remain.
        bill: What this teacher was paid in this run, earlier visits included.
        answers: How many rows are ``soft``, ``hard`` or ``votes``.
        fingerprint: The teacher's.
    """

    asked: int
    new: int
    set_aside: int
    remaining: int
    why: str
    bill: Usage
    answers: dict[str, int]
    fingerprint: str

    def notes(self, config: EndpointConfig) -> tuple[str, ...]:
        """Sentences for the report."""
        kinds = ", ".join(f"{count:,} {how}" for how, count in sorted(self.answers.items()))
        notes = [f"Soft targets bought from {config.model}: {kinds or 'none'}; {self.bill.sentence(config)}."]
        if self.set_aside:
            notes.append(f"{self.set_aside:,} texts have no usable answer and were set aside ({ASIDE}).")
        if self.remaining:
            notes.append(f"{self.remaining:,} texts are not labelled yet. {self.why}".strip())
        return tuple(notes)


def buy(
    config: EndpointConfig,
    task: Task,
    items: Sequence[Item],
    folder: Path,
    progress: Progress,
    *,
    seed: int = 0,
) -> Bought:
    """Buy answers for the items that the store does not have, in order, until the budget is spent.

    Args:
        config: The endpoint.
        task: Label names.
        items: What is wanted, the most wanted first.
        folder: The logit store's folder; the ledger and the texts set aside are kept there too.
        progress: Where progress is shown.
        seed: Seed of the jitter added to waiting times.

    Raises:
        TeacherError: The endpoint refuses to answer at all. What was bought is kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ledger, wanted = Ledger(folder / LEDGER), list(dict.fromkeys(items))
    fingerprint = Prompt(config, task).fingerprint
    store = LogitStore(folder, teacher=fingerprint, labels=task.labels)

    _restore(ledger, store, store.missing(wanted))
    aside = read_aside(folder / ASIDE)
    todo = [item for item in store.missing(wanted) if item not in aside]
    before, why = len(store), ""

    if todo:  # else no server is called, and no key is needed
        with opened(
            config, task, spent=ledger.bill, record=ledger.add, votes=ledger.votes, seed=seed
        ) as endpoint:
            fault = _ask(endpoint, todo, ledger, store, aside, progress)
            why = endpoint.stopped_by or f"The server did not answer; run again. {fault}".strip()

    store.note(answers=dict(ledger.answers), bill=asdict(ledger.bill))
    left = store.missing(wanted)
    remaining = sum(item not in aside for item in left)
    return Bought(
        asked=len(wanted),
        new=len(store) - before,
        set_aside=len(left) - remaining,
        remaining=remaining,
        why=why if remaining else "",
        bill=ledger.bill,
        answers=dict(ledger.answers),
        fingerprint=fingerprint,
    )


def _ask(  # noqa: PLR0917
    endpoint: Endpoint,
    todo: Sequence[Item],
    ledger: Ledger,
    store: LogitStore,
    aside: dict[Item, str],
    progress: Progress,
) -> str:
    """Ask, and put rows into the store a shard at a time; texts without a usable answer go to ``aside``.

    Returns:
        Why the last text that may be asked about again was not answered; empty where there is none.
    """
    waiting: list[Item] = []
    fault = ""

    try:
        with progress.bar("labelling", len(todo), "texts") as advance:
            for outcome in endpoint.outcomes(todo):
                if outcome.row is not None:
                    waiting.append(outcome.item)
                elif outcome.is_final:
                    aside[outcome.item] = outcome.fault
                    write_aside(store.folder / ASIDE, outcome.item, outcome.fault)
                else:
                    fault = outcome.fault

                if len(waiting) == SHARD:
                    _restore(ledger, store, waiting)
                    waiting.clear()
                advance(1)
    finally:
        _restore(ledger, store, store.missing(todo))
        store.note(answers=dict(ledger.answers), bill=asdict(ledger.bill))
    return fault


def _restore(ledger: Ledger, store: LogitStore, items: Sequence[Item]) -> None:
    """Put rows of the ledger into the store."""
    held, rows = ledger.rows(items)
    if held:
        store.append(held, rows)
