"""The stage `report`: one document of all numbers, its pages, and a card for each student."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from understudy._version import __version__
from understudy.augment import PoolTexts
from understudy.core.corpus import Corpus
from understudy.core.manifest import read_json
from understudy.data import Dataset
from understudy.export.folder import annotate
from understudy.pipeline.kept_answers import ANSWERS, with_comparisons
from understudy.pipeline.run import POOL_FOLDER, Run
from understudy.pipeline.stage_cache import StageCache
from understudy.pipeline.stages.evaluate import EVALUATION, decided_bits, decided_rows
from understudy.report.card import CardFacts, render_card
from understudy.report.record import DataRecord, ReportDocument, ReportRow
from understudy.report.schema import SCHEMA
from understudy.report.write import write_report
from understudy.runtime.layout import slug


def report(run: Run) -> None:
    """Write the report, and put each student's share of it into its folder."""
    recipe = run.recipe.model_dump(mode="json")
    compose_report(run.folder, recipe, run.dataset, run.pool, run.stages, seed=run.recipe.seed)


def compose_report(
    run: Path,
    recipe: Mapping[str, object],
    dataset: Dataset,
    pool: Corpus,
    stages: StageCache,
    *,
    seed: int,
) -> ReportDocument:
    """Write ``report.json``, ``report.md`` and ``report.html``, and annotate the exported students."""
    evaluation = read_json(run / "evaluation" / EVALUATION)
    rows = [ReportRow.from_dict(row) for row in evaluation["rows"]]

    document = ReportDocument(
        schema=SCHEMA,
        name=run.resolve().name,
        created=evaluation["created"],
        understudy_version=__version__,
        task=dataset.task,
        data=_describe_data(dataset, pool, run / POOL_FOLDER),
        machine=evaluation["machine"],
        stages=list(stages.done.values()),
        rows=list(with_comparisons(rows, run / ANSWERS, dataset, seed)),
        disagreements=evaluation["disagreements"],
        recipe=dict(recipe),
    )

    stages.progress.say("report …")
    write_report(document.to_dict(), run)
    for row in document.rows:
        if row.role == "student":
            _annotate(run, document, row)
    return document


def _annotate(run: Path, document: ReportDocument, row: ReportRow) -> None:
    """Put a student's row and its model card into its folder."""

    def first(role: str, name: str | None = None) -> ReportRow | None:
        rows = (row for row in document.rows if row.role == role and name in (None, row.student))
        return next(rows, None)

    folder, teacher = run / "models" / slug(row.name), first("teacher")
    config = read_json(folder / "config.json")
    facts = CardFacts(
        student=row.name,
        task=document.task,
        teacher=teacher.name if teacher else "",
        data=document.data,
        row=row,
        teacher_row=teacher,
        undistilled_row=first("undistilled", row.name),
        machine=document.machine,
        parameters=config["parameters"],
        vocabulary_size=config["vocabulary"]["size"],
        quantisation=decided_bits(config)[1],
        pruning=decided_rows(config),
        understudy_version=__version__,
    )

    whole = document.to_dict()
    shared = {key: whole[key] for key in ("task", "data", "machine", "created", "understudy_version")}
    annotate(folder, report={**shared, "rows": [row.to_dict()]}, card=render_card(facts))


def _describe_data(dataset: Dataset, pool: Corpus, folder: Path) -> DataRecord:
    splits = {name: len(getattr(dataset, name)) for name in ("train", "dev", "test")}
    train = set(dataset.train.texts)
    if pool.is_on_disk:  # its texts are distinct, and none of them stands in train
        given, transfer = PoolTexts(folder).counts[0].kept, len(train) + pool.rows
    else:
        given, transfer = dataset.unlabelled.rows, len(train | set(pool))
    return {
        "name": dataset.name,
        "source": dataset.source,
        "fingerprint": dataset.fingerprint,
        "labels_from": "gold labels" if len(dataset.train) else "the teacher",
        "sizes": {**splits, "unlabelled": given, "transfer": transfer},
        "label_counts": dataset.label_counts(),
        "dropped": dataset.dropped,
        "notes": list(dataset.notes),
    }
