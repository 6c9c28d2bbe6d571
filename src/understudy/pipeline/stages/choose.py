"""The stage `choose`: what the recipe leaves open is tried with a small student, and decided on dev."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict, replace
from pathlib import Path

from understudy.core.configs import AUTO, RANDOM, VECTORS_OF_TEACHER, TrainingConfig
from understudy.core.manifest import digest, publish, read_json, write_json
from understudy.core.task import Predictor
from understudy.errors import ArtifactError
from understudy.pipeline.decisions import Decisions, Trial, describe
from understudy.pipeline.predictors import open_predictor
from understudy.pipeline.run import Run
from understudy.pipeline.stages.train import has_answers, known_words_of, takes_start, transfer_set

RACER = "cbow.v2"
"""The student that tries: small, quickly trained, and reads every kind of task but tagging."""

EPOCHS = 8
"""Passes of a trial."""

INPUT, STATIC = VECTORS_OF_TEACHER

FILE = "choice.json"

TRIED = "scores.json"
"""File of the scores so far among the checkpoints, so that a run that was killed does not try again."""


def choose(run: Run) -> None:
    """Decide the start of word tables and the loss, where these are open.

    One after the other, the loss with the better start. Where dev sees no difference, the first way stays:
    the teacher's vectors, half gold. All trials learn from the labelled texts alone.
    """
    if not _is_open(run):
        run.decisions = run.chosen
        return

    folder = run.folder / "choice"
    inputs = {
        "data": run.labelled_key,
        "teacher": run.soft_key,
        "losses": [asdict(loss) for loss in run.losses],
        "start": _starts(run),
        "config": asdict(_config(run.recipe.training)),
        "seed": run.recipe.seed,
        "racer": RACER,
    }

    def work(about: dict[str, str]) -> None:
        checkpoint = run.checkpoint("choose", about["inputs"])
        decisions = _Race(run, checkpoint / TRIED).decide()
        with publish(folder, about) as aside:
            (aside / FILE).write_text(json.dumps(decisions.to_dict(), indent=2), encoding="utf-8")
        shutil.rmtree(checkpoint, ignore_errors=True)

    run.stages.run("choose", folder, inputs, work)
    run.decisions = Decisions.from_dict(read_json(folder / FILE))
    for note in run.decisions.notes():
        run.stages.progress.say(f"choose: {note}")
    run.dataset = replace(run.dataset, notes=(*run.dataset.notes, *run.decisions.notes()))


def _is_open(run: Run) -> bool:
    """Whether there is something to try, labelled texts to try it on, and a student that can."""
    if run.dataset.task.kind == "tagging" or not len(run.dataset.train):
        return False
    is_something = run.recipe.loss.name == AUTO or len(_starts(run)) > 1
    return is_something and has_answers(run)


def _starts(run: Run) -> tuple[str | None, ...]:
    """What word tables may start from: one way, or two where that is open and a student has such a table."""
    if run.may_start_from_teacher and any(map(takes_start, run.recipe.students)):
        return (STATIC, RANDOM)
    return (run.recipe.training.embeddings,)


class _Race:
    """Ways to train, tried one after another.

    Args:
        run: The run; its teacher has labelled every text.
        tried: File of the scores so far.
    """

    def __init__(self, run: Run, tried: Path) -> None:
        self.run, self.tried = run, tried
        self.starts = _starts(run)
        self.labelled = transfer_set(run, is_gold=False, uses_pool=False)
        self.known = known_words_of(run) if STATIC in self.starts else None
        self.trials: list[Trial] = []
        self.scores = _scores(tried)

    def decide(self) -> Decisions:
        """Try what is open, and choose."""
        run = self.run
        best = Decisions(run.losses[0], self.starts[0])
        if len(self.starts) > 1:
            best = self._best("start", [replace(best, embeddings=start) for start in self.starts])
        if len(run.losses) > 1:
            best = self._best("loss", [replace(best, loss=loss) for loss in run.losses])
        return replace(best, racer=RACER, trials=tuple(self.trials))

    def _best(self, what: str, ways: list[Decisions]) -> Decisions:
        """The way with the best score on dev; the first of several."""
        scores = []
        for way in ways:
            started, key = time.perf_counter(), digest(way.to_dict())
            if key not in self.scores:  # the best way so far was tried already
                self.scores[key] = self._score(what, way)
                self.tried.parent.mkdir(parents=True, exist_ok=True)
                write_json(self.tried, self.scores)
            scores.append(self.scores[key])
            seconds = round(time.perf_counter() - started, 2)
            self.trials.append(Trial(what, _name(what, way), scores[-1], seconds))
        return ways[scores.index(max(scores))]

    def _score(self, what: str, way: Decisions) -> float:
        from understudy.training.fit import fit

        run, data = self.run, self.run.dataset
        trained = fit(
            RACER,
            data.task,
            self.labelled,
            (data.dev.texts, data.dev.labels),
            seed=run.recipe.seed,
            loss=replace(way.loss, layers=0.0),  # the racer has no layers of a transformer
            config=replace(_config(run.recipe.training), embeddings=way.embeddings),
            teacher=_teacher(run, way),
            known=self.known,
            progress=run.stages.progress,
            what=f"trying {what}: {_name(what, way)}",
        )
        return trained.dev_score


def _scores(tried: Path) -> dict[str, float]:
    """Digest of a way → its score, from a run that was killed; none where the file is damaged."""
    try:
        found = read_json(tried) if tried.is_file() else {}
    except ArtifactError:
        return {}
    return {key: float(score) for key, score in found.items()}


def _name(what: str, way: Decisions) -> str:
    """What the user reads of a way."""
    return describe(way.loss) if what == "loss" else way.embeddings or RANDOM


def _teacher(run: Run, way: Decisions) -> Predictor | None:
    """The first teacher, opened, where the racer starts from its input embeddings."""
    if way.embeddings != INPUT:
        return None
    return open_predictor(run.teacher.members[0].spec, run.dataset.task).predictor


def _config(config: TrainingConfig) -> TrainingConfig:
    """How a trial is trained: on words, for a few epochs, and at the racer's own rate."""
    return TrainingConfig(
        epochs=min(config.epochs or EPOCHS, EPOCHS),
        class_weights=config.class_weights,
        embeddings=config.embeddings,
        gold_pass=False,
    )
