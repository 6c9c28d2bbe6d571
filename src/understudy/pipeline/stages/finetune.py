"""The stage `finetune`: fine-tune every bare encoder into a teacher."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict

from understudy.core.manifest import publish
from understudy.pipeline.local_teacher import Member
from understudy.pipeline.run import Run


def finetune(run: Run) -> None:
    """Fine-tune every bare encoder into a teacher; a model that is fine-tuned already is used as it is."""
    for number, member in enumerate(run.teacher.members, start=1):
        stage = "finetune" if len(run.teacher.members) == 1 else f"finetune {number}"
        if member.is_finetuned:
            run.stages.skip(stage, f"{member.source.name} is fine-tuned already")
        else:
            _finetune(run, member, stage)


def _finetune(run: Run, member: Member, stage: str) -> None:
    """Fine-tune one model, unless it was fine-tuned on the same data."""
    config, data = run.recipe.teacher.finetune, run.dataset
    inputs = {
        "source": member.source_key,
        "data": run.labelled_key,
        "config": asdict(config),
        "seed": run.recipe.seed,
    }

    def work(about: dict[str, str]) -> None:
        from understudy.teachers.finetune import finetune as train_teacher

        checkpoint = run.checkpoint(member.name, about["inputs"])
        done = train_teacher(
            member.source,
            data.task,
            (data.train.texts, data.train.labels),
            (data.dev.texts, data.dev.labels),
            config=config,
            seed=run.recipe.seed,
            checkpoint=checkpoint,
            progress=run.stages.progress,
        )

        with publish(run.folder / member.name, about) as aside:
            done.teacher.save(aside)
            facts = {"curve": [asdict(epoch) for epoch in done.curve], "seconds": done.seconds}
            (aside / "finetuning.json").write_text(json.dumps(facts, indent=2), encoding="utf-8")
        shutil.rmtree(checkpoint, ignore_errors=True)

    run.stages.run(stage, run.folder / member.name, inputs, work)
