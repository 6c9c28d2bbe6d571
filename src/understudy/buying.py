"""The stage ``label`` for teachers from outside: buy what can be bought, keep it, say what remains."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.data import Dataset
from understudy.errors import TeacherError
from understudy.folders import digest, read_json, write_json
from understudy.ledger import ASIDE, LEDGER, Ledger, read_aside
from understudy.lines import append_line
from understudy.logits import LogitStore
from understudy.opening import Order
from understudy.outside import Outside
from understudy.progress import Progress
from understudy.summary import Entry
from understudy.task import Item, Task
from understudy.teachers.endpoint import Endpoint, opened
from understudy.teachers.prompting import Prompt
from understudy.teachers.purse import Bill
from understudy.teachers.settings import EndpointConfig

if TYPE_CHECKING:
    from understudy.run import Run
from understudy.streaming import show

SHARD = 64
"""Answers a shard of the store; until then they stand in the ledger alone."""


@dataclass(frozen=True)
class Bought:
    """What stands in the store after buying.

    Attributes:
        asked: distinct texts that were wanted.
        new: answered now.
        set_aside: without a usable answer.
        remaining: neither answered nor set aside.
        why: they remain.
        bill: of this teacher in this run, earlier visits included.
        answers: how many rows are ``soft``, ``hard`` or ``votes``.
        fingerprint: of the teacher.
    """

    asked: int
    new: int
    set_aside: int
    remaining: int
    why: str
    bill: Bill
    answers: dict[str, int]
    fingerprint: str

    def notes(self, config: EndpointConfig) -> tuple[str, ...]:
        """Sentences for the report."""
        kinds = ", ".join(f"{count:,} {how}" for how, count in sorted(self.answers.items()))
        said = [f"Soft targets bought from {config.model}: {kinds or 'none'}; {self.bill.sentence(config)}."]
        if self.set_aside:
            said.append(f"{self.set_aside:,} texts have no usable answer and were set aside ({ASIDE}).")
        if self.remaining:
            said.append(f"{self.remaining:,} texts are not labelled yet. {self.why}".strip())
        return tuple(said)


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
        config: the endpoint.
        task: label names.
        items: wanted ones, the most wanted first.
        folder: of the logit store; the ledger and the texts set aside stand there too.
        progress: audience.
        seed: of the jitter.

    Raises:
        TeacherError: the endpoint refuses to answer at all. What was bought is kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ledger, wanted = Ledger(folder / LEDGER), list(dict.fromkeys(items))
    fingerprint = Prompt(config, task).fingerprint
    store = LogitStore(folder, teacher=fingerprint, labels=task.labels)
    _restore(ledger, store, store.missing(wanted))
    aside = read_aside(folder / ASIDE)
    todo = [item for item in store.missing(wanted) if item not in aside]
    before, why = len(store), ""
    if todo:  # else nobody is called, and no key is needed
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
        Why the last text that may be asked again was not answered; empty where there is none.
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
                    append_line(store.folder / ASIDE, {"text": outcome.item, "reason": outcome.fault})
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
    found, rows = ledger.rows(items)
    if found:
        store.append(found, rows)


def label_outside(run: Run, outside: Outside) -> None:
    """Label the transfer set, and the test split for the report, with a teacher from outside."""
    data, record = run.dataset, run.folder / "logits" / "label.json"
    first = [*data.test.texts, *data.train.texts]
    further = [run.pool_key] if run.is_streamed else run.pool_key
    key = digest([outside.key, data.task.to_dict(), [*first, *further]])
    if record.is_file() and run.store_folder.is_dir():
        found = read_json(record)
        if found["key"] == key and not found["remaining"] and _are_aside(run, first, found["set_aside"]):
            aside = f", {found['set_aside']:,} set aside" if found["set_aside"] else ""
            run.stages.skip("label", f"all {found['found']:,} texts are labelled{aside}, 0 to do")
            run.dataset = _answered(data, run.store_folder, found)
            return
    run.stages.progress.say("label …")
    started = time.perf_counter()
    facts = {"key": key, **_label(run, outside, first)}
    run.stages.note("label", time.perf_counter() - started)
    write_json(record, facts)
    run.dataset = _answered(data, run.store_folder, facts)


def _are_aside(run: Run, first: Sequence[Item], count: int) -> bool:
    """Whether so many texts are still set aside: who deletes a line wants its text to be asked again."""
    if not count:
        return True
    aside = read_aside(run.store_folder / ASIDE)
    return sum(item in aside for item in dict.fromkeys([*first, *run.pool])) == count


def _label(run: Run, outside: Outside, first: Sequence[Item]) -> dict[str, Any]:
    """Label these and the pool."""
    say = run.stages.progress.say
    if outside.endpoint is not None:
        bought = buy(
            outside.endpoint,
            run.dataset.task,
            [*first, *run.pool],
            run.store_folder,
            run.stages.progress,
            seed=run.recipe.seed,
        )
        notes = bought.notes(outside.endpoint)
        for note in notes:
            say(f"label: {note}")
        held = bought.asked - bought.set_aside - bought.remaining
        facts = {"set_aside": bought.set_aside, "remaining": bought.remaining, "notes": list(notes)}
        return {"texts": bought.asked, "found": held, "fingerprint": bought.fingerprint, **facts}
    teacher: Any = outside.teacher
    store = LogitStore(run.store_folder, teacher=teacher.fingerprint, labels=run.dataset.task.labels)
    done = show(teacher, run, first, store)
    say(f"label: {done.labelled:,} texts labelled, {done.reused:,} found in the store")
    texts = done.labelled + done.reused
    facts = {"texts": texts, "found": texts, "fingerprint": teacher.fingerprint}
    return {**facts, "set_aside": 0, "remaining": 0, "notes": []}


def _answered(data: Dataset, folder: Path, facts: dict[str, Any]) -> Dataset:
    """The data with what buying has to say of it, and without test texts that the teacher did not answer."""
    store = LogitStore(folder, teacher=facts["fingerprint"], labels=data.task.labels)
    missing = set(store.missing(data.test.texts))
    data = replace(data, notes=(*data.notes, *facts["notes"]))
    if not missing:
        return data
    test = data.test.without(missing)
    dropped = {**data.dropped, "test texts without an answer of the teacher": len(data.test) - len(test)}
    return replace(data, test=test, dropped=dropped)


def entry(run: Run, outside: Outside) -> Entry:
    """How the teacher stands in the report: by the answers in the store.

    Raises:
        TeacherError: it answered no test text.
    """
    if not len(run.dataset.test):
        raise TeacherError(
            "The teacher answered no text of the test split, so there is nothing to compare with. Raise the "
            "budget and run again; what was bought is kept."
        )
    order = Order("store", str(run.store_folder))
    return Entry(outside.name, "teacher", order, outside.key, timed=outside.order)
