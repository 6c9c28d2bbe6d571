"""The stage `report`: one document of all numbers, its pages, and a card for each student."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from understudy._version import __version__
from understudy.augment import PoolTexts
from understudy.core.corpus import Corpus
from understudy.core.manifest import read_json
from understudy.data import Dataset
from understudy.export.folder import annotate
from understudy.pipeline.run import POOL_FOLDER, Run
from understudy.pipeline.stage_cache import StageCache
from understudy.pipeline.stages.evaluate import EVALUATION, _decided
from understudy.report.card import render_card
from understudy.report.write import write_report
from understudy.runtime.layout import slug


def report(run: Run) -> None:
    """Write the report, and put each student's share of it into its folder."""
    recipe = run.recipe.model_dump(mode="json")
    compose_report(run.folder, recipe, run.dataset, run.pool, run.stages)


def compose_report(
    run: Path,
    recipe: Mapping[str, Any],
    dataset: Dataset,
    pool: Corpus,
    stages: StageCache,
) -> dict[str, Any]:
    """Write ``report.json``, ``report.md`` and ``report.html``, and annotate the exported students."""
    found = read_json(run / "evaluation" / EVALUATION)
    document = {
        "schema": 1,
        "name": run.resolve().name,
        "created": found["created"],
        "understudy_version": __version__,
        "task": dataset.task.to_dict(),
        "data": _describe_data(dataset, pool, run / POOL_FOLDER),
        "machine": found["machine"],
        "stages": stages.facts,
        "rows": found["rows"],
        "disagreements": found["disagreements"],
        "recipe": dict(recipe),
    }
    stages.progress.say("report …")
    write_report(document, run)
    for row in document["rows"]:
        if row["role"] == "student":
            _annotate(run, document, row)
    return document


def _annotate(run: Path, document: Mapping[str, Any], row: Mapping[str, Any]) -> None:
    def first(role: str, name: str | None = None) -> Any:
        rows = (r for r in document["rows"] if r["role"] == role and name in (None, r["student"]))
        return next(rows, None)

    folder = run / "models" / slug(row["name"])
    config = read_json(folder / "config.json")
    facts = {
        "student": row["name"],
        "task": document["task"],
        "teacher": first("teacher")["name"],
        "data": document["data"],
        "row": row,
        "teacher_row": first("teacher"),
        "undistilled_row": first("undistilled", row["name"]),
        "machine": document["machine"],
        "parameters": config["parameters"],
        "vocabulary_size": config["vocabulary"]["size"],
        "quantisation": _decided(config)[1],
        "understudy_version": __version__,
    }
    shared = {key: document[key] for key in ("task", "data", "machine", "created", "understudy_version")}
    annotate(folder, report={**shared, "rows": [row]}, card=render_card(facts))


def _describe_data(dataset: Dataset, pool: Corpus, folder: Path) -> dict[str, Any]:
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
