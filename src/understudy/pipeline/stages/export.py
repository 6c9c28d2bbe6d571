"""The stage `export`: every student as a folder that answers without torch."""

from __future__ import annotations

from understudy.core.manifest import read_manifest
from understudy.pipeline.run import Run, stage_name


def export(run: Run) -> None:
    """Write every student as a folder that answers without torch; its graph is compared with torch."""
    for name in run.recipe.students:
        for is_gold in run.gold_variants:
            _export(run, name, is_gold=is_gold)


def _export(run: Run, name: str, *, is_gold: bool) -> None:
    """Export one student, unless the same weights are exported already."""
    trained_folder = run.train_folder(name, is_gold=is_gold)
    files = (read_manifest(trained_folder) or {}).get("files", {})
    decisive = ("model.safetensors", "tokenizer.json", "ngrams.npy", "characters.json")
    weights = {file: files[file]["sha256"] for file in decisive if file in files}

    folder = run.model_folder(name, is_gold=is_gold)
    smaller = run.smaller(name, is_gold=is_gold)

    def work(about: dict[str, str]) -> None:
        from understudy.export.folder import export as write
        from understudy.training.torch_student import load_trained

        teacher = {"name": run.teacher.name, "fingerprint": run.record.fingerprint}
        student = load_trained(trained_folder).student
        train, dev = run.dataset.train, run.dataset.dev
        write(
            student,
            folder,
            teacher={} if is_gold else teacher,
            about={**about, "name": name},
            **smaller,
            texts=train.texts,
            dev=(dev.texts, dev.labels),
        )

    inputs = {**weights, **run.measured_on(smaller)}
    run.stages.run(stage_name("export", name, is_gold=is_gold), folder, inputs, work)
