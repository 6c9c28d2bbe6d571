"""The stages of a run, chained: data → teacher → soft targets → students → export → evaluation → report."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from understudy import summary
from understudy.configs import LossConfig
from understudy.data import Dataset, load_dataset, save_dataset
from understudy.errors import RecipeError, nearest
from understudy.folders import digest, file_digest, publish, read_json, read_manifest, write_json
from understudy.layout import Layout
from understudy.measure import Order
from understudy.progress import Progress, Silent
from understudy.recipe import Recipe, make_recipe, to_yaml
from understudy.stages import Stages
from understudy.subwords import Vocabulary, teacher_vocabulary
from understudy.teachers.source import Source, resolve

STAGES = ("data", "finetune", "label", "train", "export", "evaluate", "report")
"""In order; a run can end after any of them."""

BASELINE = "TF-IDF + LR"


@dataclass(frozen=True)
class Result:
    """What a run left behind.

    Attributes:
        folder: of the run.
        report: the contents of ``report.json``; ``None`` where the run ended before it.
    """

    folder: Path
    report: dict[str, Any] | None

    @property
    def models(self) -> dict[str, Path]:
        """Student → folder to hand to `understudy.load`."""
        found = sorted((self.folder / "models").glob("*/config.json"))
        return {path.parent.name: path.parent for path in found}

    @property
    def best(self) -> Path:
        """The folder of the student that scores best on the test split.

        Raises:
            RecipeError: the run ended before its report, so nothing was compared.
        """
        if self.report is None:
            raise RecipeError("This run ended before its report: no student is known to be the best.")
        students = [row for row in self.report["rows"] if row["role"] == "student"]
        return self.models[max(students, key=lambda row: row["score"])["name"]]

    @property
    def html(self) -> Path:
        """The report to open in a browser."""
        return self.folder / "report.html"


@dataclass
class Run:
    """A run in progress: its folder, its recipe, and what its stages have found so far."""

    folder: Path
    recipe: Recipe
    stages: Stages
    dataset: Dataset

    @cached_property
    def source(self) -> Source:
        """Where the teacher's weights come from."""
        return resolve(self.recipe.teacher.model)

    @cached_property
    def is_finetuned(self) -> bool:
        """Whether the teacher brings a head of its own."""
        from understudy.teachers import transformer

        with transformer.quiet():
            return transformer.is_finetuned(self.source, transformer.load_config(self.source))

    @cached_property
    def source_key(self) -> str:
        """Changes when the weights that the teacher comes from change."""
        if self.source.folder is None:
            from understudy.teachers import transformer

            with transformer.quiet():
                commit = transformer.load_config(self.source)._commit_hash  # noqa: SLF001
            return digest([self.source.location, commit])
        kinds = (".safetensors", ".bin", ".json")
        files = sorted(path for path in self.source.folder.rglob("*") if path.suffix in kinds)
        return digest([file_digest(path) for path in files])

    @cached_property
    def labelled_key(self) -> str:
        """Changes when task, train or dev change."""
        data = self.dataset
        splits = [[list(split.texts), split.labels.tolist()] for split in (data.train, data.dev)]
        return digest([data.task.to_dict(), splits])

    @property
    def teacher_order(self) -> Order:
        """How to open the teacher."""
        labels = self.recipe.teacher.labels
        location = self.source.location if self.is_finetuned else str(self.folder / "teacher")
        return Order(
            "teacher", location, self.recipe.teacher.precision, labels if self.is_finetuned else None
        )

    @cached_property
    def teacher_key(self) -> str:
        """Changes when the teacher's answers may change."""
        order = asdict(self.teacher_order)
        if self.is_finetuned:
            return digest([self.source_key, order["precision"], order["teacher_labels"]])
        manifest = read_manifest(self.folder / "teacher") or {}
        return digest([manifest.get("inputs"), order["precision"]])

    def checkpoint(self, name: str, key: str) -> Path:
        """Folder in which a long training keeps its state; gone once the stage is done."""
        return self.folder / ".checkpoints" / f"{name}-{key[:16]}"


def distill(
    source: str | None = None,
    *,
    students: Sequence[str] | str | None = None,
    teacher: str | None = None,
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
        teacher: folder, hub id or short name.
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
        "teacher.model": teacher,
    } | {key.replace("__", "."): value for key, value in settings.items()}
    if recipe is not None and any(value is not None for value in flags.values()):
        raise RecipeError("Give a recipe or single settings, not both.")
    run = start(recipe or make_recipe(flags=flags), Path(out) if out else None, progress or Silent())
    last = STAGES.index(until)
    steps: Sequence[Callable[[Run], object]] = (finetune, label, train, export, evaluate, report)
    for step in steps[:last]:
        step(run)
    shutil.rmtree(run.folder / ".checkpoints", ignore_errors=True)
    written = read_json(run.folder / "report.json") if until == "report" else None
    return Result(run.folder, written)


def start(recipe: Recipe, out: Path | None, progress: Progress) -> Run:
    """Read the data, and write down the resolved recipe."""
    options = recipe.data.model_dump()
    dataset = load_dataset(options.pop("source"), **options, seed=recipe.seed)
    folder = out or Path("runs") / dataset.name
    folder.mkdir(parents=True, exist_ok=True)
    for note in dataset.notes:
        progress.say(note)
    for reason, count in dataset.dropped.items():
        if count:
            progress.say(f"Dropped {count:,}: {reason}.")
    (folder / "recipe.yaml").write_text(to_yaml(recipe), encoding="utf-8")
    stages = Stages(folder, progress)
    key = {"fingerprint": dataset.fingerprint, "notes": list(dataset.notes), "name": dataset.name}
    stages.run("data", folder / "data", key, lambda about: save_dataset(dataset, folder / "data", about))
    return Run(folder, recipe, stages, dataset)


def finetune(run: Run) -> None:
    """Make a teacher of a bare encoder; a fine-tuned one is used as it is."""
    if run.is_finetuned:
        run.stages.skip("finetune", f"{run.source.name} is fine-tuned already")
        return
    config, data = run.recipe.teacher.finetune, run.dataset
    inputs = {
        "source": run.source_key,
        "data": run.labelled_key,
        "config": asdict(config),
        "seed": run.recipe.seed,
    }

    def work(about: dict[str, Any]) -> None:
        from understudy.teachers.finetune import finetune as train_teacher

        done = train_teacher(
            run.source,
            data.task,
            (data.train.texts, data.train.labels),
            (data.dev.texts, data.dev.labels),
            config=config,
            seed=run.recipe.seed,
            checkpoint=run.checkpoint("teacher", about["inputs"]),
            progress=run.stages.progress,
        )
        with publish(run.folder / "teacher", about) as aside:
            done.teacher.save(aside)
            facts = {"curve": [asdict(epoch) for epoch in done.curve], "seconds": done.seconds}
            (aside / "finetuning.json").write_text(json.dumps(facts, indent=2), encoding="utf-8")

    run.stages.run("finetune", run.folder / "teacher", inputs, work)


def label(run: Run) -> None:
    """Show the teacher every text of the transfer set that it has not seen before."""
    data, record = run.dataset, run.folder / "logits" / "label.json"
    key = digest([run.teacher_key, data.task.to_dict(), list(data.train.texts), list(data.unlabelled)])
    if record.is_file() and (found := read_json(record))["key"] == key and _store_folder(run).is_dir():
        run.stages.skip("label", f"all {found['texts']:,} texts are labelled, 0 to do")
        return
    from understudy.logits import LogitStore
    from understudy.logits import label as show
    from understudy.measure import open_predictor

    run.stages.progress.say("label …")
    teacher: Any = open_predictor(run.teacher_order, data.task).predictor
    store = LogitStore(_store_folder(run), teacher=teacher.fingerprint, labels=data.task.labels)
    texts = [*data.train.texts, *data.unlabelled]
    done = show(teacher, texts, store, progress=run.stages.progress)
    run.stages.progress.say(f"label: {done.labelled:,} texts labelled, {done.reused:,} found in the store")
    run.stages.note("label", done.seconds)
    write_json(record, {"key": key, "texts": len(set(texts)), "fingerprint": teacher.fingerprint})


def train(run: Run) -> None:
    """Train every student on soft targets and, for comparison, on gold labels; and the baseline."""
    for name in run.recipe.students:
        _train(run, name, run.recipe.loss)
        _train(run, name, LossConfig("gold"))
    data = run.dataset

    def work(about: dict[str, Any]) -> None:
        from understudy.training.baseline import fit_baseline

        split = (data.train.texts, data.train.labels, data.dev.texts, data.dev.labels)
        fit_baseline(data.task, *split, seed=run.recipe.seed).save(run.folder / "train" / "tfidf", about)

    inputs = {"data": run.labelled_key, "seed": run.recipe.seed}
    run.stages.run("train TF-IDF", run.folder / "train" / "tfidf", inputs, work)


def _train(run: Run, name: str, loss: LossConfig) -> None:
    data, is_gold = run.dataset, not loss.needs_teacher
    folder = run.folder / "train" / _slug(name, is_gold)
    inputs = {
        "data": [run.labelled_key, list(data.unlabelled)],
        "teacher": None if is_gold else run.teacher_key,
        "loss": asdict(loss),
        "config": asdict(run.recipe.training),
        "student": name,
        "seed": run.recipe.seed,
    }

    def work(about: dict[str, Any]) -> None:
        from understudy.logits import LogitStore
        from understudy.training.fit import fit
        from understudy.training.student import save_trained
        from understudy.training.transfer import labelled_only, with_soft_targets

        if is_gold:
            transfer = labelled_only(data.train.texts, data.train.labels)
        else:
            fingerprint = read_json(run.folder / "logits" / "label.json")["fingerprint"]
            store = LogitStore(_store_folder(run), teacher=fingerprint, labels=data.task.labels)
            transfer = with_soft_targets(data.train.texts, data.train.labels, data.unlabelled, store)
        trained = fit(
            name,
            data.task,
            transfer,
            (data.dev.texts, data.dev.labels),
            seed=run.recipe.seed,
            loss=loss,
            config=run.recipe.training,
            vocabulary_texts=(*data.train.texts, *data.unlabelled),
            teacher_vocabulary=_teacher_vocabulary(run),
            checkpoint=run.checkpoint(folder.name, about["inputs"]),
            progress=run.stages.progress,
            what=_stage_name("training", name, is_gold),
        )
        save_trained(trained, folder, about)

    run.stages.run(_stage_name("train", name, is_gold), folder, inputs, work)


def _teacher_vocabulary(run: Run) -> Vocabulary | None:
    if run.recipe.training.vocabulary != "teacher":
        return None
    from understudy.teachers.source import Source
    from understudy.teachers.transformer import load_tokenizer

    tokenizer = load_tokenizer(Source(run.source.name, run.teacher_order.location))
    return teacher_vocabulary(json.loads(tokenizer.backend_tokenizer.to_str()), tokenizer.pad_token)


def export(run: Run) -> None:
    """Write every student as a folder that answers without torch, its graph compared with torch."""
    for name in run.recipe.students:
        for is_gold in (False, True):
            _export(run, name, is_gold)


def _export(run: Run, name: str, is_gold: bool) -> None:
    trained_folder = run.folder / "train" / _slug(name, is_gold)
    files = (read_manifest(trained_folder) or {}).get("files", {})
    weights = {
        file: files[file]["sha256"] for file in ("model.safetensors", "tokenizer.json") if file in files
    }

    def work(about: dict[str, Any]) -> None:
        from understudy.export import export as write
        from understudy.training.student import load_trained

        record = read_json(run.folder / "logits" / "label.json")
        teacher = {"name": run.source.name, "fingerprint": record["fingerprint"]}
        student = load_trained(trained_folder).student
        write(student, _model(run, name, is_gold), teacher={} if is_gold else teacher, about=about)

    run.stages.run(_stage_name("export", name, is_gold), _model(run, name, is_gold), weights, work)


def evaluate(run: Run) -> None:
    """Answer the test split with every predictor, judge the answers, and time all on one clock."""
    tuned = None if run.is_finetuned else run.folder / "teacher"
    entries = [summary.Entry(run.source.name, "teacher", run.teacher_order, run.teacher_key, tuned)]
    for name in run.recipe.students:
        entries.append(_student_entry(run, name, is_gold=False))
        entries.append(_student_entry(run, name, is_gold=True))
    baseline = run.folder / "train" / "tfidf"
    key = digest((read_manifest(baseline) or {}).get("files"))
    entries.append(summary.Entry(BASELINE, "baseline", Order("baseline", str(baseline)), key))
    summary.evaluate(entries, run.dataset, run.folder / "evaluation", run.stages, seed=run.recipe.seed)


def report(run: Run) -> None:
    """Write the report, and put each student's share of it into its folder."""
    summary.report(run.folder, run.recipe.model_dump(mode="json"), run.dataset, run.stages)


def _student_entry(run: Run, name: str, *, is_gold: bool) -> summary.Entry:
    folder = _model(run, name, is_gold)
    files = (read_manifest(folder) or {})["files"]
    layout = Layout(folder)
    key = digest([files[path.name]["sha256"] for path in (layout.onnx, layout.tokenizer)])
    role = "undistilled" if is_gold else "student"
    shown = f"{name} (labels only)" if is_gold else name
    return summary.Entry(
        shown, role, Order("student", str(folder)), key, run.folder / "train" / _slug(name, is_gold)
    )


def _model(run: Run, name: str, is_gold: bool) -> Path:
    return run.folder / ("undistilled" if is_gold else "models") / name


def _slug(name: str, is_gold: bool) -> str:
    return f"{name}.gold" if is_gold else name


def _stage_name(verb: str, name: str, is_gold: bool) -> str:
    return f"{verb} {name}" + (" on labels only" if is_gold else "")


def _store_folder(run: Run) -> Path:
    return run.folder / "logits" / run.teacher_key[:16]
