"""The stage `label`: soft targets for every text of the transfer set.

Which kind of teacher it is makes no difference here. Some teachers answer the test split too, into the same
store (`RunTeacher.is_kept`), and the report evaluates these stored answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from understudy.core.corpus import Items
from understudy.core.manifest import digest
from understudy.core.task import FloatArray, Item
from understudy.data import Dataset
from understudy.errors import RecipeError
from understudy.pipeline.label_record import LabelRecord
from understudy.pipeline.run import Run
from understudy.targets.store import LogitStore


def label(run: Run) -> None:
    """Show the teacher every text of the transfer set that it has not seen before."""
    data, stores = run.dataset, run.store_folder.parent
    test = data.test.texts if run.teacher.is_kept else ()
    first = [*test, *data.train.texts]
    key = digest([run.teacher.key, data.task.to_dict(), first, run.pool.fingerprint])

    record = LabelRecord.find(stores)
    if record is None or record.key != key or not _is_done(run, record, first):
        record = _label(run, first, key)
        record.save(stores)
    else:
        aside = f", {record.set_aside:,} set aside" if record.set_aside else ""
        run.stages.skip("label", f"all {record.found:,} texts are labelled{aside}, 0 to do")

    if run.teacher.is_kept:
        run.dataset = _without_unanswered(data, run.store(record.fingerprint), record)


def _is_done(run: Run, record: LabelRecord, first: Sequence[Item]) -> bool:
    """Whether no text is left to be shown to the teacher."""
    if record.remaining or not run.store_folder.is_dir():
        return False

    # A store that was removed and begun anew holds fewer texts than the record says.
    stored = len(run.store(record.fingerprint))
    if stored < record.found:
        run.stages.progress.say(
            f"label: the store holds {stored:,} of {record.found:,} labelled texts; the others are labelled "
            "again"
        )
        return False

    # Whoever deletes the line of a text that was set aside wants it to be asked again.
    if not record.set_aside:
        return True
    aside = run.teacher.set_aside(run.store_folder)
    return sum(item in aside for item in dict.fromkeys([*first, *run.pool])) == record.set_aside


def _label(run: Run, first: Sequence[Item], key: str) -> LabelRecord:
    """Show the teacher these texts and the pool."""
    say = run.stages.progress.say
    say("label …")
    started = time.perf_counter()

    labeller = run.open_teacher()
    done = labeller.label(first, run.pool, run.store_folder)
    for sentence in done.sentences:
        say(f"label: {sentence}")
    run.stages.note("label", time.perf_counter() - started)

    return LabelRecord(
        key, done.texts, done.fingerprint, done.found, done.set_aside, done.remaining, done.notes
    )


def _without_unanswered(data: Dataset, store: LogitStore, record: LabelRecord) -> Dataset:
    """The data with the notes of labelling, and without test texts that the teacher did not answer."""
    missing = set(store.missing(data.test.texts))
    data = replace(data, notes=(*data.notes, *record.notes))
    if not missing:
        return data
    test = data.test.without(missing)
    dropped = {**data.dropped, "test texts without an answer of the teacher": len(data.test) - len(test)}
    return replace(data, test=test, dropped=dropped)


def answers_of_teacher(run: Run) -> Callable[[Sequence[Item]], FloatArray]:
    """A function from texts to the teacher's logits; the teacher sees a text once, and the store keeps it."""

    def predict(items: Sequence[Item]) -> FloatArray:
        if run.teacher.is_paid:
            raise RecipeError(
                "A step of augment asks the teacher about every text, but this teacher is an endpoint: texts "
                "would be paid for and thrown away. Drop the step, or filter without the teacher."
            )
        labeller = run.open_teacher()
        labeller.label(items, Items(), run.store_folder)
        return run.store(labeller.fingerprint).look_up(items)

    return predict
