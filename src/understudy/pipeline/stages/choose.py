"""The stage `choose`: what the recipe leaves open is tried with a small student, and decided on dev."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace

from understudy.core.configs import AUTO, RANDOM, VECTORS_OF_TEACHER, LossConfig, TrainingConfig, candidates
from understudy.core.manifest import publish, read_json
from understudy.pipeline.decisions import Decisions, Trial, describe
from understudy.pipeline.run import Run
from understudy.pipeline.stages.train import known_words_of, transfer_set

RACER = "cbow.v2"
"""The student that tries: small, quickly trained, and reads every kind of task but tagging."""

EPOCHS = 8
"""Passes of a trial."""

STATIC = VECTORS_OF_TEACHER[1]

FILE = "choice.json"


def choose(run: Run) -> None:
    """Decide the loss, the start of word tables and the use of a made pool, where these are open.

    One after another, each with the best found so far: the start, the loss, the pool. Where dev sees no
    difference, the first way stays: the teacher's vectors, half gold, no made pool.
    """
    if not _is_open(run):
        run.decisions = Decisions(_first_loss(run), run.recipe.training.embeddings)
        return

    folder = run.folder / "choice"
    inputs = {
        "data": [run.labelled_key, run.pool.fingerprint if run.has_made_pool else None],
        "teacher": run.soft_key,
        "loss": asdict(run.recipe.loss),
        "config": asdict(run.recipe.training),
        "seed": run.recipe.seed,
        "racer": RACER,
    }

    def work(about: dict[str, str]) -> None:
        decisions = _Race(run).decide()
        with publish(folder, about) as aside:
            (aside / FILE).write_text(json.dumps(decisions.to_dict(), indent=2), encoding="utf-8")

    run.stages.run("choose", folder, inputs, work)
    run.decisions = Decisions.from_dict(read_json(folder / FILE))
    for note in run.decisions.notes():
        run.stages.progress.say(f"choose: {note}")
    run.dataset = replace(run.dataset, notes=(*run.dataset.notes, *run.decisions.notes()))


def _first_loss(run: Run) -> LossConfig:
    """The recipe's loss, or the one to begin with."""
    loss = run.recipe.loss
    return candidates(run.dataset.task)[0] if loss.name == AUTO else loss


def _is_open(run: Run) -> bool:
    """Whether there is something to try, gold labels to judge it by, and a student that can."""
    if run.dataset.task.kind == "tagging" or not len(run.dataset.train):
        return False
    return run.recipe.loss.name == AUTO or run.may_start_from_teacher or run.has_made_pool


class _Race:
    """Ways to train, tried one after another.

    Args:
        run: The run; its teacher has labelled every text.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.labelled = transfer_set(run, is_gold=False, uses_pool=False)
        self.known = known_words_of(run) if run.may_start_from_teacher else None
        self.trials: list[Trial] = []
        self.scores: dict[Decisions, float] = {}

    def decide(self) -> Decisions:
        """Try what is open, and choose."""
        run = self.run
        best = Decisions(_first_loss(run), run.recipe.training.embeddings, uses_pool=not run.has_made_pool)
        if run.may_start_from_teacher:
            best = self._best("start", [replace(best, embeddings=start) for start in (STATIC, RANDOM)])
        if run.recipe.loss.name == AUTO:
            best = self._best("loss", [replace(best, loss=loss) for loss in candidates(run.dataset.task)])
        if run.has_made_pool:
            best = self._best("pool", [replace(best, uses_pool=uses) for uses in (False, True)])
        return replace(best, racer=RACER, trials=tuple(self.trials))

    def _best(self, what: str, ways: list[Decisions]) -> Decisions:
        """The way with the best score on dev; the first of several."""
        for way in ways:
            started = time.perf_counter()
            if way not in self.scores:  # the best way so far was tried already
                self.scores[way] = self._score(what, way)
            seconds = round(time.perf_counter() - started, 2)
            self.trials.append(Trial(what, _name(what, way), self.scores[way], seconds))
        scores = [self.scores[way] for way in ways]
        return ways[scores.index(max(scores))]

    def _score(self, what: str, way: Decisions) -> float:
        from understudy.training.fit import fit

        run, data = self.run, self.run.dataset
        uses_pool = way.uses_pool and run.has_made_pool
        transfer = transfer_set(run, is_gold=False, uses_pool=True) if uses_pool else self.labelled
        trained = fit(
            RACER,
            data.task,
            transfer,
            (data.dev.texts, data.dev.labels),
            seed=run.recipe.seed,
            loss=way.loss,
            config=_config(run.recipe.training, way),
            known=self.known,
            progress=run.stages.progress,
            what=f"trying {what}: {_name(what, way)}",
        )
        return trained.dev_score


def _name(what: str, way: Decisions) -> str:
    """What the user reads of a way."""
    names = {
        "loss": describe(way.loss),
        "start": way.embeddings or RANDOM,
        "pool": "with" if way.uses_pool else "without",
    }
    return names[what]


def _config(config: TrainingConfig, way: Decisions) -> TrainingConfig:
    """How a trial is trained: as the recipe says, but for a few epochs, and on words."""
    return replace(
        config,
        vocabulary="words",
        vocabulary_size=None,
        embeddings=way.embeddings,
        is_embedding_frozen=False,
        epochs=min(config.epochs or EPOCHS, EPOCHS),
        pair=None,
        gold_pass=False,
        trainer="auto",
    )
