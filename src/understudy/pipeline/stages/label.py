"""The stage `label`: soft targets for every text of the transfer set."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from understudy.augment import PoolTexts
from understudy.core.manifest import digest, read_json, write_json
from understudy.core.task import FloatArray, Item, Predictor
from understudy.data import Dataset
from understudy.errors import RecipeError
from understudy.pipeline.predictors import open_predictor
from understudy.pipeline.run import Run
from understudy.pipeline.teacher import ExternalTeacher
from understudy.targets import labelling
from understudy.targets.buying import buy
from understudy.targets.labelling import SHARD_TEXTS, Labelling, label_stream
from understudy.targets.ledger import ASIDE, read_aside
from understudy.targets.store import LogitStore


def label_outside(run: Run, outside: ExternalTeacher) -> None:
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


def _label(run: Run, outside: ExternalTeacher, first: Sequence[Item]) -> dict[str, Any]:
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


def label(run: Run) -> None:
    """Show the teacher every text of the transfer set that it has not seen before."""
    if run.outside is not None:
        label_outside(run, run.outside)
        return
    data, record = run.dataset, run.folder / "logits" / "label.json"
    key = digest([run.teacher_key, data.task.to_dict(), list(data.train.texts), run.pool_key])
    if record.is_file() and (found := read_json(record))["key"] == key and run.store_folder.is_dir():
        run.stages.skip("label", f"all {found['texts']:,} texts are labelled, 0 to do")
        return
    from understudy.targets.store import LogitStore

    run.stages.progress.say("label …")
    opened = open_predictor(run.teacher_order, data.task)
    store = LogitStore(run.store_folder, teacher=opened.fingerprint, labels=data.task.labels)
    done = show(opened.predictor, run, data.train.texts, store)
    run.stages.progress.say(f"label: {done.labelled:,} texts labelled, {done.reused:,} found in the store")
    run.stages.note("label", done.seconds)
    texts = done.labelled + done.reused
    write_json(record, {"key": key, "texts": texts, "fingerprint": opened.fingerprint})


FUNCTION_TEXTS = 2**13
"""Texts that a function or table is shown at once in a streamed run; a local model gets `SHARD_TEXTS`."""


def show(teacher: Predictor, run: Run, first: Sequence[Item], store: LogitStore) -> Labelling:
    """Show a teacher every distinct text of these and the pool that the store does not have."""
    progress, pool = run.stages.progress, run.pool
    if not isinstance(pool, PoolTexts):
        return labelling.label(teacher, [*first, *pool], store, progress=progress)
    distinct = list(dict.fromkeys(first))
    return label_stream(
        teacher,
        itertools.chain(distinct, pool),
        store,
        shard_texts=SHARD_TEXTS if run.outside is None else FUNCTION_TEXTS,
        progress=progress,
        total=len(distinct) + len(pool),
    )


def _asking(run: Run) -> Callable[[Sequence[Item]], FloatArray]:
    """Texts → the teacher's logits, each bought once: what is asked here is in the logit store afterwards."""

    def predict(items: Sequence[Item]) -> FloatArray:
        from understudy.targets.store import LogitStore

        if run.outside is None:
            opened = open_predictor(run.teacher_order, run.dataset.task)
            teacher, fingerprint = opened.predictor, opened.fingerprint
        elif run.outside.teacher is not None:
            teacher, fingerprint = run.outside.teacher, run.outside.fingerprint
        else:
            raise RecipeError(
                "A step of augment asks the teacher of every text, but this one is an endpoint: texts would "
                "be paid for and thrown away. Drop the step, or filter without the teacher."
            )
        store = LogitStore(run.store_folder, teacher=fingerprint, labels=run.dataset.task.labels)
        labelling.label(teacher, items, store, progress=run.stages.progress)
        return store.look_up(items)

    return predict
