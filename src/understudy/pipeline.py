"""The stages of a run, chained: data → teacher → soft targets → students → export → evaluation → report."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from understudy import buying, streaming, summary, unlabelled
from understudy.augmenting import asks_teacher, augment, check_steps
from understudy.configs import LossConfig, TrainingConfig, check_loss
from understudy.data import load_dataset, save_dataset
from understudy.errors import RecipeError, nearest
from understudy.folders import digest, file_digest, publish, read_json, read_manifest, write_bytes, write_json
from understudy.layout import Layout
from understudy.opening import Order, open_predictor
from understudy.progress import Progress, Silent
from understudy.recipe import Recipe, make_recipe, to_yaml
from understudy.result import Result
from understudy.run import Member, Run, alone, stage_name
from understudy.stages import Stages
from understudy.subwords import Vocabulary, load_vocabulary, teacher_vocabulary
from understudy.task import Task
from understudy.teachers.functions import Function, reference_of

STAGES = ("data", "finetune", "augment", "label", "train", "export", "evaluate", "report")
"""In order; a run can end after any of them."""

BASELINES = {"regression": "TF-IDF + ridge", "tagging": "word features + LR"}
"""What the classical baseline is called where it is not `BASELINE`."""

BASELINE = "TF-IDF + LR"


def distill(
    source: str | None = None,
    *,
    students: Sequence[str] | str | None = None,
    teacher: str | Function | None = None,
    unlabelled: Sequence[str] | str | None = None,
    out: str | Path | None = None,
    recipe: Recipe | None = None,
    until: str = "report",
    progress: Progress | None = None,
    **settings: Any,
) -> Result:
    """Distil a teacher into students and report how good they are.

    Args:
        source: data; see `understudy.data.load_dataset`.
        students: names; one or several.
        teacher: folder, hub id or short name; or a function from texts to logits.
        unlabelled: files or globs of further texts.
        out: folder of the run; by default ``runs/NAME``. What is there and still valid is used again.
        recipe: all of it, instead of the arguments above.
        until: last stage to do, one of `STAGES`.
        progress: audience.
        settings: further recipe keys, ``__`` for the dot: ``training__epochs=5``.

    Raises:
        RecipeError: arguments that do not fit, all named at once.
        UnderstudyError: data or teacher cannot be used; the message says what to do.
    """
    if until not in STAGES:
        raise RecipeError(f"Unknown stage {until!r}. {nearest(until, STAGES)}")
    flags = {
        "data.source": source,
        "data.unlabelled": [unlabelled] if isinstance(unlabelled, str) else unlabelled,
        "students": [students] if isinstance(students, str) else students,
        **({"teacher.callable": reference_of(teacher)} if callable(teacher) else {"teacher.model": teacher}),
    } | {key.replace("__", "."): value for key, value in settings.items()}
    if recipe is not None and any(value is not None for value in flags.values()):
        raise RecipeError("Give a recipe or single settings, not both.")
    function = teacher if callable(teacher) else None
    made = recipe or make_recipe(flags=flags)
    steps: Sequence[Callable[[Run], object]] = (finetune, augment, label, train, export, evaluate, report)
    with started(made, Path(out) if out else None, progress or Silent(), function) as run:
        for step in steps[: STAGES.index(until)]:
            if step is not finetune or until != "augment" or asks_teacher(run.recipe):
                step(run)
        shutil.rmtree(run.folder / ".checkpoints", ignore_errors=True)
    written = read_json(run.folder / "report.json") if until == "report" else None
    return Result(run.folder, written)


@contextlib.contextmanager
def started(
    recipe: Recipe,
    out: Path | None,
    progress: Progress,
    function: Function | None = None,
    *,
    may_stream: bool = True,
) -> Iterator[Run]:
    """A run whose data is read and whose resolved recipe is written down; its folder is this process's alone.

    Raises:
        RecipeError: another process is at work there.
    """
    if recipe.data.source is None:
        dataset = unlabelled.draw(recipe, function)
    else:
        above = streaming.threshold(recipe, progress) if may_stream else None
        options = {**recipe.data.options, "stream_above": above}
        dataset = load_dataset(recipe.data.source, **options, seed=recipe.seed)
    _check_task(recipe, dataset.task)
    folder = out or Path("runs") / dataset.name
    with alone(folder):
        if recipe.data.source is None:
            dataset = unlabelled.judged(dataset, recipe, folder, progress, function)
        for note in dataset.notes:
            progress.say(note)
        for reason, count in dataset.dropped.items():
            if count:
                progress.say(f"Dropped {count:,}: {reason}.")
        write_bytes(folder / "recipe.yaml", to_yaml(recipe).encode())
        stages = Stages(folder, progress)
        key = {"fingerprint": dataset.fingerprint, "notes": list(dataset.notes), "name": dataset.name}
        stages.run("data", folder / "data", key, lambda about: save_dataset(dataset, folder / "data", about))
        yield Run(folder, recipe, stages, dataset, function)


def _check_task(recipe: Recipe, task: Task) -> None:
    """Refuse what cannot be honoured for this kind of task, before any work is done."""
    from understudy.students.registry import spec

    check_loss(task, recipe.loss)
    check_steps(recipe, task)
    if recipe.data.stream is True and task.kind == "tagging":
        raise RecipeError("data.stream: sentences of words are tagged in memory. Leave it out.")
    weights = recipe.training.class_weights or recipe.teacher.finetune.class_weights
    if weights and task.kind == "regression" and not task.is_binned:
        raise RecipeError("Class weights weigh labels, but a regression on values has none. Drop them.")
    for name in recipe.students:
        if reason := spec(name).refusal(task.kind):
            raise RecipeError(reason)


def finetune(run: Run) -> None:
    """Make a teacher of every bare encoder; a fine-tuned one is used as it is."""
    for number, member in enumerate(run.members, start=1):
        stage = "finetune" if len(run.members) == 1 else f"finetune {number}"
        if member.is_finetuned:
            run.stages.skip(stage, f"{member.source.name} is fine-tuned already")
        else:
            _finetune(run, member, stage)


def _finetune(run: Run, member: Member, stage: str) -> None:
    config, data = run.recipe.teacher.finetune, run.dataset
    inputs = {
        "source": member.source_key,
        "data": run.labelled_key,
        "config": asdict(config),
        "seed": run.recipe.seed,
    }

    def work(about: dict[str, Any]) -> None:
        from understudy.teachers.finetune import finetune as train_teacher

        done = train_teacher(
            member.source,
            data.task,
            (data.train.texts, data.train.labels),
            (data.dev.texts, data.dev.labels),
            config=config,
            seed=run.recipe.seed,
            checkpoint=run.checkpoint(member.name, about["inputs"]),
            progress=run.stages.progress,
        )
        with publish(run.folder / member.name, about) as aside:
            done.teacher.save(aside)
            facts = {"curve": [asdict(epoch) for epoch in done.curve], "seconds": done.seconds}
            (aside / "finetuning.json").write_text(json.dumps(facts, indent=2), encoding="utf-8")

    run.stages.run(stage, run.folder / member.name, inputs, work)


def label(run: Run) -> None:
    """Show the teacher every text of the transfer set that it has not seen before."""
    if run.outside is not None:
        buying.label_outside(run, run.outside)
        return
    data, record = run.dataset, run.folder / "logits" / "label.json"
    key = digest([run.teacher_key, data.task.to_dict(), list(data.train.texts), run.pool_key])
    if record.is_file() and (found := read_json(record))["key"] == key and run.store_folder.is_dir():
        run.stages.skip("label", f"all {found['texts']:,} texts are labelled, 0 to do")
        return
    from understudy.logits import LogitStore

    run.stages.progress.say("label …")
    opened = open_predictor(run.teacher_order, data.task)
    store = LogitStore(run.store_folder, teacher=opened.fingerprint, labels=data.task.labels)
    done = streaming.show(opened.predictor, run, data.train.texts, store)
    run.stages.progress.say(f"label: {done.labelled:,} texts labelled, {done.reused:,} found in the store")
    run.stages.note("label", done.seconds)
    texts = done.labelled + done.reused
    write_json(record, {"key": key, "texts": texts, "fingerprint": opened.fingerprint})


def train(run: Run) -> None:
    """Train every student on soft targets and, for comparison, on gold labels; and the baseline."""
    for name in run.recipe.students:
        for is_gold in run.forms:
            _train(run, name, LossConfig("gold") if is_gold else run.recipe.loss)
    data = run.dataset
    if not len(data.train):
        return

    def work(about: dict[str, Any]) -> None:
        from understudy.training.baseline import fit_baseline

        split = (data.train.texts, data.train.labels, data.dev.texts, data.dev.labels)
        fit_baseline(data.task, *split, seed=run.recipe.seed).save(_baseline_folder(run), about)

    inputs = {"data": run.labelled_key, "seed": run.recipe.seed}
    run.stages.run("train baseline", _baseline_folder(run), inputs, work)


def _train(run: Run, name: str, loss: LossConfig) -> None:
    data, is_gold = run.dataset, not loss.needs_teacher
    folder = run.train_folder(name, is_gold=is_gold)
    inputs = {
        "data": [run.labelled_key, run.pool_key],
        "teacher": None if is_gold else run.soft_key,
        "loss": asdict(loss),
        "config": asdict(run.recipe.training),
        "student": name,
        "seed": run.recipe.seed,
        **_borrowed(run, name),
    }

    def work(about: dict[str, Any]) -> None:
        from understudy.training.fit import fit
        from understudy.training.student import save_trained

        trained = fit(
            name,
            data.task,
            streaming.transfer_set(run, is_gold=is_gold),
            (data.dev.texts, data.dev.labels),
            seed=run.recipe.seed,
            loss=loss,
            config=run.recipe.training,
            vocabulary_items=streaming.vocabulary_items(run),
            teacher_vocabulary=_teacher_vocabulary(run, name),
            teacher=_needed_teacher(run, name, loss),
            checkpoint=run.checkpoint(folder.name, about["inputs"]),
            progress=run.stages.progress,
            what=stage_name("training", name, is_gold=is_gold),
        )
        save_trained(trained, folder, about)

    run.stages.run(stage_name("train", name, is_gold=is_gold), folder, inputs, work)


def _borrowed(run: Run, name: str) -> dict[str, str]:
    """What a student takes from a teacher or a file before it learns: gold labels do not tell of it."""
    options = _options(run, name)
    if "teacher" in (options.vocabulary, options.embeddings) or options.embeddings == "teacher-static":
        return {"borrowed": run.teacher_key}
    file = Path(options.embeddings) if options.embeddings else None
    return {"borrowed": file_digest(file)} if file and file.is_file() else {}


def _options(run: Run, name: str) -> TrainingConfig:
    from understudy.students.registry import parse

    return replace(run.recipe.training, **parse(name).options)


def _needed_teacher(run: Run, name: str, loss: LossConfig) -> Any:
    """The first teacher itself, where a student starts from its word vectors or learns its layers."""
    wants_vectors = _options(run, name).embeddings in ("teacher", "teacher-static")
    if not wants_vectors and loss.layers == 0.0:
        return None
    return open_predictor(run.members[0].order, run.dataset.task).predictor


def _teacher_vocabulary(run: Run, name: str) -> Vocabulary | None:
    if _options(run, name).vocabulary != "teacher":
        return None
    first = run.members[0]
    if first.source.is_student:
        return load_vocabulary(Layout(Path(first.source.location)).tokenizer)
    from understudy.teachers.source import Source
    from understudy.teachers.transformer import load_tokenizer

    tokenizer = load_tokenizer(Source(first.source.name, first.order.location))
    return teacher_vocabulary(json.loads(tokenizer.backend_tokenizer.to_str()), tokenizer.pad_token)


def export(run: Run) -> None:
    """Write every student as a folder that answers without torch, its graph compared with torch."""
    for name in run.recipe.students:
        for is_gold in run.forms:
            _export(run, name, is_gold=is_gold)


def _export(run: Run, name: str, *, is_gold: bool) -> None:
    trained_folder = run.train_folder(name, is_gold=is_gold)
    files = (read_manifest(trained_folder) or {}).get("files", {})
    weights = {
        file: files[file]["sha256"] for file in ("model.safetensors", "tokenizer.json") if file in files
    }
    folder = run.model_folder(name, is_gold=is_gold)
    smaller = run.smaller(name, is_gold=is_gold)

    def work(about: dict[str, Any]) -> None:
        from understudy.export import export as write
        from understudy.training.student import load_trained

        record = read_json(run.folder / "logits" / "label.json")
        teacher = {"name": run.teacher_name, "fingerprint": record["fingerprint"]}
        student = load_trained(trained_folder).student
        write(
            student,
            folder,
            teacher={} if is_gold else teacher,
            about={**about, "name": name},
            **smaller,
            dev=(run.dataset.dev.texts, run.dataset.dev.labels),
        )

    inputs = {**weights, **run.measured_on(smaller)}
    run.stages.run(stage_name("export", name, is_gold=is_gold), folder, inputs, work)


def evaluate(run: Run) -> None:
    """Answer the test split with every predictor, judge the answers, and time all on one clock."""
    entries = [_teacher_entry(run) if run.outside is None else buying.entry(run, run.outside)]
    entries += [
        _student_entry(run, name, is_gold=is_gold) for name in run.recipe.students for is_gold in run.forms
    ]
    if len(run.dataset.train):
        entries.append(_baseline_entry(run))
    summary.evaluate(entries, run.dataset, run.folder / "evaluation", run.stages, seed=run.recipe.seed)


def _teacher_entry(run: Run) -> summary.Entry:
    only = run.members[0]
    tuned = run.folder / only.name if len(run.members) == 1 and not only.is_finetuned else None
    return summary.Entry(run.teacher_name, "teacher", run.teacher_order, run.teacher_key, tuned)


def _baseline_entry(run: Run) -> summary.Entry:
    baseline = _baseline_folder(run)
    key = digest((read_manifest(baseline) or {}).get("files"))
    order = Order("baseline", str(baseline))
    task = run.dataset.task
    name = BASELINE if task.is_binned else BASELINES.get(task.kind, BASELINE)
    return summary.Entry(name, "baseline", order, key)


def report(run: Run) -> None:
    """Write the report, and put each student's share of it into its folder."""
    recipe = run.recipe.model_dump(mode="json")
    summary.report(run.folder, recipe, run.dataset, run.pool, run.stages)


def _student_entry(run: Run, name: str, *, is_gold: bool) -> summary.Entry:
    folder = run.model_folder(name, is_gold=is_gold)
    files = (read_manifest(folder) or {})["files"]
    layout = Layout(folder)
    key = digest([files[path.name]["sha256"] for path in (layout.config, layout.onnx, layout.tokenizer)])
    role = "undistilled" if is_gold else "student"
    shown = f"{name} (labels only)" if is_gold else name
    order = Order("student", str(folder))
    return summary.Entry(shown, role, order, key, run.train_folder(name, is_gold=is_gold))


def _baseline_folder(run: Run) -> Path:
    return run.folder / "train" / "baseline"
