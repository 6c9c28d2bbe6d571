"""The stage `finetune`: make a teacher of every bare encoder."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace

from understudy.core.manifest import publish, read_json
from understudy.pipeline.local_teacher import Member
from understudy.pipeline.run import Run
from understudy.teachers.methods import ways_for

FACTS = "finetuning.json"
"""File of a teacher's folder with its training curve, the seconds it took, and how it was chosen."""


def finetune(run: Run) -> None:
    """Make a teacher of every bare encoder; a model that is fine-tuned already is used as it is."""
    for number, member in enumerate(run.teacher.members, start=1):
        stage = "finetune" if len(run.teacher.members) == 1 else f"finetune {number}"
        if member.is_finetuned:
            run.stages.skip(stage, f"{member.source.name} is fine-tuned already")
        else:
            _finetune(run, member, stage)
            _note(run, member)


def _finetune(run: Run, member: Member, stage: str) -> None:
    """Make a teacher of one model, unless it was made of the same data."""
    from understudy.teachers.bfloat16 import resolved

    recipe, data = run.recipe.teacher, run.dataset
    config = replace(recipe.finetune, precision=resolved(recipe.finetune.precision))
    ways = ways_for(recipe.method, data.task, config.pooling, len(data.train))
    inputs: dict[str, object] = {
        "source": member.source_key,
        "data": run.labelled_key,
        "config": asdict(config),
        "seed": run.recipe.seed,
    }
    if ways != ("finetune",):  # teachers that were fine-tuned before there was a choice stay valid
        inputs["ways"] = list(ways)

    def work(about: dict[str, str]) -> None:
        from understudy.teachers.few_labels import make_teacher

        checkpoint = run.checkpoint(member.name, about["inputs"])
        done, comparison = make_teacher(
            member.source,
            data.task,
            (data.train.texts, data.train.labels),
            (data.dev.texts, data.dev.labels),
            ways=ways,
            config=config,
            seed=run.recipe.seed,
            checkpoint=checkpoint,
            progress=run.stages.progress,
        )

        facts: dict[str, object] = {
            "curve": [asdict(epoch) for epoch in done.curve],
            "seconds": done.seconds,
        }
        if comparison is not None:
            facts["comparison"] = comparison.to_dict()
        with publish(run.folder / member.name, about) as aside:
            done.teacher.save(aside)
            (aside / FACTS).write_text(json.dumps(facts, indent=2), encoding="utf-8")
        shutil.rmtree(checkpoint, ignore_errors=True)

    run.stages.run(stage, run.folder / member.name, inputs, work)


def _note(run: Run, member: Member) -> None:
    """Add to the report how the teacher was chosen, where ways to make it were compared."""
    comparison = read_json(run.folder / member.name / FACTS).get("comparison")
    if comparison is None:
        return
    from understudy.teachers.few_labels import sentence

    note = sentence(comparison["judged"], comparison["scores"])
    run.dataset = replace(run.dataset, notes=(*run.dataset.notes, f"{member.source.name}: {note}."))
