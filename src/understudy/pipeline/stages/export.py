"""The stage `export`: every student as a folder that answers without torch."""

from __future__ import annotations

from pathlib import Path

from understudy.core.manifest import digest, read_json, read_manifest
from understudy.pipeline.run import Run, stage_name

DECISIVE = ("model.safetensors", "tokenizer.json", "ngrams.npy", "characters.json", "spelling.json")
"""Files of a trained student that decide what the exported one answers."""

FACTS = "student.json"
"""The file that has its task."""


def export(run: Run) -> None:
    """Write every student as a folder that answers without torch; its graph is compared with torch."""
    for name in run.recipe.students:
        for is_gold in run.gold_variants:
            _export(run, name, is_gold=is_gold)


def decisive_of(folder: Path) -> dict[str, str]:
    """What decides an exported student, as digests: its files, and how its tags follow each other."""
    files = (read_manifest(folder) or {}).get("files", {})
    found = {name: files[name]["sha256"] for name in DECISIVE if name in files}
    facts = read_json(folder / FACTS) if FACTS in files else {}
    transitions = facts.get("task", {}).get("transitions")
    return found if transitions is None else {**found, "transitions": digest(transitions)}


def _export(run: Run, name: str, *, is_gold: bool) -> None:
    """Export one student, unless the same weights are exported already."""
    trained_folder = run.train_folder(name, is_gold=is_gold)
    decisive = decisive_of(trained_folder)

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

    inputs = {**decisive, **run.measured_on(smaller)}
    run.stages.run(stage_name("export", name, is_gold=is_gold), folder, inputs, work)
