"""The stage `train`: students, their twins trained on gold labels, and the linear baseline."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from understudy.core.configs import RANDOM, VECTORS_OF_TEACHER, LossConfig, TrainingConfig, candidates
from understudy.core.manifest import file_digest, publish, read_json, read_manifest
from understudy.core.task import Item, Predictor
from understudy.errors import ArtifactError, RecipeError
from understudy.pipeline.predictors import open_predictor
from understudy.pipeline.run import Run, stage_name
from understudy.pipeline.stage_cache import wanted_digest
from understudy.runtime.layout import Layout
from understudy.tokenization.ngrams import Vocabulary, load_vocabulary
from understudy.tokenization.wordpiece import teacher_vocabulary
from understudy.training.transfer_set import Transfer

if TYPE_CHECKING:
    from understudy.training.embeddings.known import KnownWords
    from understudy.training.torch_student import Trained

VOCABULARY_TEXTS = 1_000_000
"""Most texts of a streamed pool whose words make a vocabulary, taken at even distances."""

TOO_LARGE = "too_large"
"""Key of the baseline's manifest: why it was not fitted."""

STATIC = VECTORS_OF_TEACHER[1]

TAUGHT, POOL, MIX, GOLD = "taught", "made pool", "mix", "gold"
"""Ways to train a student, of which the best on dev is kept."""

KEPT = {
    TAUGHT: "was no better with the pool that was made, so it learnt from the labelled texts alone",
    POOL: "was better with the pool that was made",
    MIX: "was worse taught than on gold labels, so it learnt half from gold labels, on the labelled texts",
    GOLD: "was worse taught than on gold labels, so it learnt from gold labels alone",
}
"""What the report says of each."""

TRANSFER = "transfer"
"""Folder of targets and token ids among the checkpoints; it is removed with them."""


def train(run: Run) -> None:
    """Train every student on gold labels, for comparison, and on soft targets; and the baseline."""
    for name in run.recipe.students:
        for is_gold in reversed(run.gold_variants):
            _train(run, name, LossConfig("gold") if is_gold else run.chosen.loss)
        _note_kept(run, name)
    if len(run.dataset.train) and run.recipe.baseline:
        _train_baseline(run)


def _train_baseline(run: Run) -> None:
    """Train the linear baseline; one that is too large is noted in its folder, and not tried again."""
    from understudy.training.baseline.linear import BaselineTooLargeError

    name, folder, inputs, data = "train baseline", run.baseline_folder, baseline_inputs(run), run.dataset
    wanted = wanted_digest(name, inputs)

    def work(about: dict[str, str]) -> None:
        from understudy.training.baseline.model import fit_baseline

        split = (data.train.texts, data.train.labels, data.dev.texts, data.dev.labels)
        fit_baseline(data.task, *split, seed=run.recipe.seed).save(folder, about)

    if not (why := _too_large(folder, wanted)):
        try:
            run.stages.run(name, folder, inputs, work)
            return
        except BaselineTooLargeError as error:
            why = str(error)
        with publish(folder, {"inputs": wanted, TOO_LARGE: why}):
            pass  # only the manifest: there is no baseline to keep

    run.stages.progress.say(f"{name}: {why}")
    run.stages.skip(name, "too large")


def _too_large(folder: Path, wanted: str) -> str:
    """Why there is no baseline of these inputs, where it was found to be too large; else empty."""
    try:
        manifest = read_manifest(folder) or {}
    except ArtifactError:
        return ""  # the stage reports the damage, and trains the baseline again
    return str(manifest.get(TOO_LARGE, "")) if manifest.get("inputs") == wanted else ""


def has_baseline(run: Run) -> bool:
    """Whether there is a linear baseline of these data: it may be turned off, or too large to be fitted."""
    if not run.recipe.baseline or not len(run.dataset.train):
        return False
    manifest = read_manifest(run.baseline_folder) or {}
    wanted = wanted_digest("train baseline", baseline_inputs(run))
    return manifest.get("inputs") == wanted and TOO_LARGE not in manifest


def baseline_inputs(run: Run) -> dict[str, object]:
    """What decides the linear baseline."""
    return {"data": run.labelled_key, "seed": run.recipe.seed}


def _train(run: Run, name: str, loss: LossConfig) -> None:
    """Train one student, unless it was trained on the same inputs."""
    is_gold = not loss.needs_teacher
    folder = run.train_folder(name, is_gold=is_gold)
    inputs = {
        "data": [run.labelled_key, run.pool.fingerprint],
        "teacher": None if is_gold else run.soft_key,
        "loss": asdict(loss),
        "config": asdict(_options(run, name)),
        "student": name,
        "seed": run.recipe.seed,
        **_borrowed(run, name),
    }

    def work(about: dict[str, str]) -> None:
        from understudy.training.torch_student import save_trained

        kinds = ("", ".pool", ".mix")
        checkpoints = {kind: run.checkpoint(folder.name + kind, about["inputs"]) for kind in kinds}
        save_trained(_best(run, name, loss, checkpoints), folder, about)
        for finished in checkpoints.values():
            shutil.rmtree(finished, ignore_errors=True)

    run.stages.run(stage_name("train", name, is_gold=is_gold), folder, inputs, work)


def _fitted(run: Run, name: str, loss: LossConfig, *, uses_pool: bool, checkpoint: Path | None) -> Trained:
    """A student trained on the labelled texts and, where it is to be used, on the pool."""
    from understudy.training.fit import fit

    data, is_gold = run.dataset, not loss.needs_teacher
    return fit(
        name,
        data.task,
        transfer_set(run, is_gold=is_gold, uses_pool=uses_pool),
        (data.dev.texts, data.dev.labels),
        seed=run.recipe.seed,
        loss=loss,
        config=_options(run, name),
        vocabulary_items=vocabulary_items(run, uses_pool=uses_pool),
        teacher_vocabulary=_teacher_vocabulary(run, name),
        teacher=_needed_teacher(run, name, loss),
        known=known_words_of(run) if _options(run, name).embeddings == STATIC else None,
        checkpoint=checkpoint,
        progress=run.stages.progress,
        what=stage_name("training", name, is_gold=is_gold),
    )


def _best(run: Run, name: str, loss: LossConfig, checkpoints: Mapping[str, Path]) -> Trained:
    """A student, trained in the ways that are open: the best on dev, with ``facts["kept"]`` saying which.

    A pool that was made is learnt from where dev is better with it. A student never loses by being taught:
    where its twin, which saw gold labels alone, is better on dev, a mix of both targets on the labelled texts
    is tried, and the best of all is kept.
    """
    from understudy.training.torch_student import load_trained

    plain = _fitted(run, name, loss, uses_pool=not run.has_made_pool, checkpoint=checkpoints[""])
    if not loss.needs_teacher:
        return plain

    found = {TAUGHT: plain}
    if run.has_made_pool:
        found[POOL] = _fitted(run, name, loss, uses_pool=True, checkpoint=checkpoints[".pool"])
    if True in run.gold_variants:
        twin = load_trained(run.train_folder(name, is_gold=True))
        if max(trained.dev_score for trained in found.values()) < twin.dev_score:
            if mix := _mix(run, loss):
                found[MIX] = _fitted(run, name, mix, uses_pool=False, checkpoint=checkpoints[".mix"])
            found[GOLD] = twin

    elif len(found) == 1:
        return plain

    scores = {kind: trained.dev_score for kind, trained in found.items()}
    kept = max(scores, key=scores.__getitem__)
    return replace(found[kept], facts={**found[kept].facts, "kept": kept, "tried": scores})


def _mix(run: Run, loss: LossConfig) -> LossConfig | None:
    """A loss of which half is from gold labels; ``None`` where the labelled texts were learnt so already."""
    mix = replace(candidates(run.dataset.task)[0], alpha=0.5, noise=loss.noise, layers=loss.layers)
    is_new = mix != loss or (run.pool.rows and not run.has_made_pool)
    return mix if is_new and has_answers(run) else None


def _note_kept(run: Run, name: str) -> None:
    """Say in the report what was kept of a student that was trained in several ways, and of tags in order."""
    facts = read_json(run.train_folder(name, is_gold=False) / "student.json")["facts"]
    if (order := facts.get("transitions")) and order["weight"] > 0.0:
        scores = f"on dev: {order['dev_before']:.3f} without, {order['dev_after']:.3f} with"
        note = f"{name} weighs which tags follow each other in the labelled sentences ({scores})."
        run.dataset = replace(run.dataset, notes=(*run.dataset.notes, note))
    tried = facts.get("tried", {})
    if len(tried) < 2:
        return
    scores = ", ".join(f"{kind} {score:.3f}" for kind, score in tried.items())
    note = f"{name} {KEPT[facts['kept']]} (on dev: {scores})."
    run.stages.progress.say(note)
    run.dataset = replace(run.dataset, notes=(*run.dataset.notes, note))


def known_words_of(run: Run) -> KnownWords | None:
    """The vectors that the teacher makes of single words, once in a run; none where it is no transformer."""
    from understudy.training.embeddings.known import KnownWords, known_words

    members = run.teacher.members
    if run.known is not None or not members or members[0].source.is_student:
        return run.known
    folder = run.folder / "vectors"
    inputs = {"teacher": members[0].key, "data": [run.labelled_key, run.pool.fingerprint]}

    def work(about: dict[str, str]) -> None:
        teacher = open_predictor(members[0].spec, run.dataset.task).predictor
        known_words(teacher, vocabulary_items(run, uses_pool=True)).save(folder, about)

    run.stages.run("word vectors", folder, inputs, work, is_shared=True)
    run.known = KnownWords.load(folder)
    return run.known


def _borrowed(run: Run, name: str) -> dict[str, str]:
    """The digest of the teacher or file whose vocabulary or vectors a student starts from, if any."""
    options = _options(run, name)
    if options.vocabulary == "teacher" or options.embeddings in VECTORS_OF_TEACHER:
        return {"borrowed": run.teacher.key}
    file = Path(options.embeddings) if options.embeddings not in (None, RANDOM) else None
    return {"borrowed": file_digest(file)} if file and file.is_file() else {}


def _options(run: Run, name: str) -> TrainingConfig:
    """Options of training, with what was chosen on dev and with those behind the student's name."""
    from understudy.students.registry import parse

    config = run.recipe.training
    if config.embeddings is None and takes_start(name):
        config = replace(config, embeddings=run.chosen.embeddings)
    return replace(config, **parse(name).options)


@cache
def takes_start(name: str) -> bool:
    """Whether a student starts from the word vectors that a run chooses.

    One whose words have no vectors does not, nor one whose name says what it starts from, nor a transformer,
    whose table is part of its layers.
    """
    from understudy.students import build
    from understudy.students.registry import parse, spec

    if "embeddings" in parse(name).options or hasattr(spec(name).encoder, "inside"):
        return False
    try:
        table = build(name, 2, seed=0, vocabulary_size=10).encoder.word_table()
    except (AttributeError, RecipeError):  # it has none in these sizes, and says why
        return False
    return bool(table.vectors.shape[1])


def has_answers(run: Run) -> bool:
    """Whether the teacher has answered at least one of the labelled texts."""
    texts = run.dataset.train.texts
    return not run.teacher.is_kept or len(set(run.store().missing(texts))) < len(set(texts))


def _needed_teacher(run: Run, name: str, loss: LossConfig) -> Predictor | None:
    """The first teacher, opened, where a student starts from its word vectors or learns from its layers.

    Vectors of whole words that a run has made once are enough: no teacher is opened for these.
    """
    options = _options(run, name)
    are_known = options.embeddings == STATIC and options.vocabulary == "words" and known_words_of(run)
    wants_vectors = options.embeddings in VECTORS_OF_TEACHER and not are_known
    if not wants_vectors and loss.layers == 0.0:
        return None
    return open_predictor(run.teacher.members[0].spec, run.dataset.task).predictor


def _teacher_vocabulary(run: Run, name: str) -> Vocabulary | None:
    """The vocabulary of the first teacher, where the student reads tokens as it does."""
    if _options(run, name).vocabulary != "teacher":
        return None
    first = run.teacher.members[0]
    if first.source.is_student:
        return load_vocabulary(Layout(Path(first.source.location)).tokenizer)
    from understudy.teachers.loading import load_tokenizer
    from understudy.teachers.source import Source

    spec = first.spec
    source = Source(first.source.name, spec.location, spec.trust_remote_code)
    tokenizer = load_tokenizer(source)
    return teacher_vocabulary(json.loads(tokenizer.backend_tokenizer.to_str()), tokenizer.pad_token)


def transfer_set(run: Run, *, is_gold: bool, uses_pool: bool) -> Transfer:
    """The set that students learn from: the labelled texts, and with soft targets also the pool, if used."""
    from understudy.training.streamed_set import with_streamed_targets
    from understudy.training.transfer_set import labelled_only, with_soft_targets

    data, pool = run.dataset, run.pool
    if is_gold:
        return labelled_only(data.task, data.train.texts, data.train.labels)

    store, texts = run.store(), (data.train.texts, data.train.labels)
    if not uses_pool:
        return with_soft_targets(data.task, *texts, (), store, is_partial=run.teacher.is_kept)
    if pool.is_on_disk:
        folder = run.folder / ".checkpoints" / TRANSFER
        return with_streamed_targets(
            data.task, *texts, pool, store, folder=folder, progress=run.stages.progress
        )
    return with_soft_targets(data.task, *texts, tuple(pool), store, is_partial=run.teacher.is_kept)


def vocabulary_items(run: Run, *, uses_pool: bool) -> Iterator[Item]:
    """The items whose words make a student's vocabulary: all, or of a streamed pool at most a million."""
    if not uses_pool:
        return iter(run.dataset.train.texts)
    step = -(-run.pool.rows // VOCABULARY_TEXTS) if run.is_streamed else 1
    return itertools.chain(run.dataset.train.texts, itertools.islice(run.pool, 0, None, max(1, step)))
