"""Teachers from few labels: the ways to make one are compared, and the best one teaches."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from understudy.core.configs import FinetuneConfig
from understudy.core.manifest import read_json, write_json
from understudy.core.progress import Progress, Silent
from understudy.core.task import Gold, IntArray, Item, Task
from understudy.optim.epochs import Score, rank
from understudy.optim.loop import dev_score
from understudy.teachers.contrastive import with_linear_head
from understudy.teachers.finetune import Finetuned, finetune
from understudy.teachers.source import Source

ENOUGH = 200
"""Texts that a comparison is judged on at least, where there are as many: a share of 80 % is then known to
about 3 points."""

FOLDS = 3
"""Parts of the cross-validation, where dev is smaller than `ENOUGH`."""

NAMES = {"frozen": "frozen", "contrastive": "contrastive", "finetune": "fine-tuned"}
"""What the report calls the ways."""

SCORES = "scores.json"
"""File of the checkpoint with the scores of the trainings that are done."""

LOWEST: Score = (-math.inf, -math.inf)

Labelled = tuple[Sequence[Item], Gold]


@dataclass(frozen=True)
class Comparison:
    """How the ways to make a teacher did.

    Attributes:
        judged: What they were judged on: ``dev``, or cross-validation in words.
        scores: Way → score by the task's metric, a share.
        chosen: The way with the best one.
    """

    judged: str
    scores: Mapping[str, float]
    chosen: str

    @property
    def sentence(self) -> str:
        """The comparison in a sentence, the best way first, scores in per cent."""
        return sentence(self.judged, self.scores)

    def to_dict(self) -> dict[str, object]:
        """A JSON-ready form."""
        return {"judged": self.judged, "scores": dict(self.scores), "chosen": self.chosen}


def sentence(judged: str, scores: Mapping[str, float]) -> str:
    """A comparison in a sentence, the best way first, scores in per cent."""
    ranked = sorted(scores.items(), key=lambda entry: -rank(entry[1]))
    shown = ", ".join(f"{NAMES.get(way, way)} {100 * score:.1f}" for way, score in ranked)
    return f"teacher chosen {judged}: {shown}"


def make_teacher(
    source: Source,
    task: Task,
    train: Labelled,
    dev: Labelled,
    *,
    ways: Sequence[str],
    config: FinetuneConfig,
    seed: int,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> tuple[Finetuned, Comparison | None]:
    """Make a teacher of a bare encoder, in the best of several ways.

    With at least `ENOUGH` texts in dev each way makes a teacher of all of train, and the best one on dev is
    returned. With fewer, train and dev are dealt to `FOLDS` parts that have the labels in equal shares. Each
    way makes a teacher without one of the parts, which then chooses its epoch or its regularisation and
    judges it; parts take turns until `ENOUGH` texts were judged. The best way makes the teacher that is
    returned, of all of train.

    After a kill, a training goes on from its checkpoint, and scores that are known are not computed again.
    Where the best teacher was lost with the process, it is made once more.

    Args:
        source: The encoder.
        task: Kind, label names and metric.
        train: The task's items, and `understudy.core.task.Gold` of their rows.
        dev: Items and gold labels that select.
        ways: Some of `understudy.teachers.methods.WAYS`; a single one is not compared.
        config: How to fine-tune; its precision and class weights apply to all ways.
        seed: Seed of every random choice.
        checkpoint: Folder for the states of trainings, each in a folder of its own.
        progress: Where progress is shown.

    Raises:
        RecipeError: An option that this kind of task cannot honour.
        TeacherError: The encoder cannot be loaded.
    """
    started = time.perf_counter()

    def make(way: str, train: Labelled, dev: Labelled, place: Path | None) -> Finetuned:
        if way == "finetune":
            return finetune(
                source, task, train, dev, config=config, seed=seed, checkpoint=place, progress=progress
            )
        is_tuned = way == "contrastive"
        settings = {"config": config, "seed": seed, "checkpoint": place, "progress": progress}
        return with_linear_head(source, task, train, dev, is_tuned=is_tuned, **settings)  # type: ignore[arg-type]

    if len(ways) == 1:
        return make(ways[0], train, dev, checkpoint), None

    race = _Race(task, ways, make, checkpoint)
    comparison = race.on_dev(train, dev) if len(dev[0]) >= ENOUGH else race.by_folds(train, dev, seed)
    (progress or Silent()).say(f"{source.name}: {comparison.sentence}")
    done = race.made or make(comparison.chosen, train, dev, race.place("chosen"))
    return replace(done, seconds=time.perf_counter() - started), comparison


class Maker(Protocol):
    """Makes a teacher: way, texts to learn from, texts that select, folder of the checkpoint."""

    def __call__(self, way: str, train: Labelled, dev: Labelled, place: Path | None) -> Finetuned:
        """The teacher, with its curve on ``dev``."""
        ...


@dataclass
class _Race:
    """Ways to make a teacher, compared; ``made`` is the best teacher of all of train, if it was made now."""

    task: Task
    ways: Sequence[str]
    make: Maker
    checkpoint: Path | None
    made: Finetuned | None = None

    def place(self, name: str) -> Path | None:
        """Folder of the checkpoint of one training."""
        return None if self.checkpoint is None else self.checkpoint / name

    def on_dev(self, train: Labelled, dev: Labelled) -> Comparison:
        """Every way once; the best teacher so far is kept in memory beside the one that is made."""
        reached: dict[str, Score] = {}
        for way in self.ways:
            reached[way], made = self._run(way, train, dev)
            if reached[way] > max((reached[other] for other in reached if other != way), default=LOWEST):
                self.made = made
        return self._compared("on dev", reached)

    def by_folds(self, train: Labelled, dev: Labelled, seed: int) -> Comparison:
        """Every way on parts of train and dev."""
        items, gold = [*train[0], *dev[0]], np.concatenate([train[1], dev[1]])
        parts = folds(gold, seed)
        turns = next((n for n in range(1, FOLDS) if np.sum(parts < n) >= ENOUGH), FOLDS)
        turns = min(turns, len(gold))  # no part is empty

        def at(rows: IntArray) -> Labelled:
            return [items[row] for row in rows], gold[rows]

        scores: dict[str, list[Score]] = {way: [] for way in self.ways}
        for turn in range(turns):
            rest, judges = at(np.flatnonzero(parts != turn)), at(np.flatnonzero(parts == turn))
            for way in self.ways:
                scores[way].append(self._run(way, rest, judges, f"-{turn + 1}")[0])

        means = [np.mean(scores[way], axis=0).tolist() for way in self.ways]
        reached = {way: (mean[0], mean[1]) for way, mean in zip(self.ways, means, strict=True)}
        return self._compared(f"by cross-validation ({turns} of {FOLDS} parts)", reached)

    def _compared(self, judged: str, reached: Mapping[str, Score]) -> Comparison:
        chosen = max(self.ways, key=lambda way: reached[way])  # the first of equally good ones
        return Comparison(judged, {way: score[0] for way, score in reached.items()}, chosen)

    def _run(
        self, way: str, train: Labelled, dev: Labelled, turn: str = ""
    ) -> tuple[Score, Finetuned | None]:
        """Make a teacher and judge it, unless its score is known from before a kill."""
        name, file = f"{way}{turn}", self.place(SCORES)
        known = read_json(file) if file is not None and file.is_file() else {}
        if name in known:
            return (known[name][0], known[name][1]), None

        place = self.place(name)
        done = self.make(way, train, dev, place)
        reached = _score(self.task, done, dev)
        if file is not None and place is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, {**known, name: reached})
            shutil.rmtree(place, ignore_errors=True)  # it would only take room
        return reached, done


def _score(task: Task, done: Finetuned, judges: Labelled) -> Score:
    """What compares teachers: the task's metric, and minus the gold loss where that is equal.

    A curve has the scores of all epochs, that of the one that was kept among them. A metric that is not a
    number counts as the lowest.
    """
    reached = [(epoch.dev_score, -epoch.dev_loss) for epoch in done.curve]
    reached = reached or [dev_score(task, done.teacher.logits(judges[0]), judges[1])]
    return max((max(rank(metric), -1.0), loss) for metric, loss in reached)


def folds(gold: Gold, seed: int) -> IntArray:
    """The part, from 0 to `FOLDS` - 1, of each row ``(n,)``; each part has the labels in equal shares."""
    order = np.random.default_rng(seed).permutation(len(gold))
    order = order[np.argsort(gold[order], kind="stable")]
    parts = np.empty(len(gold), dtype=np.int64)
    parts[order] = np.arange(len(gold)) % FOLDS
    return parts
