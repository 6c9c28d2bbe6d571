"""Buy labels in rounds: a student says which texts to pay for next, and a curve what they were worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from understudy.core.corpus import Items
from understudy.core.manifest import digest, read_json, write_bytes, write_json
from understudy.core.progress import Progress, Silent
from understudy.core.task import Item, Predictor
from understudy.errors import RecipeError
from understudy.pipeline.distillation import started
from understudy.pipeline.recipe import Recipe
from understudy.pipeline.run import Run
from understudy.pipeline.stages.augment import augment
from understudy.pipeline.stages.finetune import finetune
from understudy.report.learning_curve import Point, draw
from understudy.targets.store import LogitStore
from understudy.teachers.function import Function
from understudy.training.acquisition import WAYS, select

CURVE = "curve.json"
PICTURE = "curve.png"


@dataclass(frozen=True)
class ActiveLearning:
    """What buying in rounds left behind.

    Attributes:
        folder: of the run; ``rounds/`` in it has the curve as JSON and as a picture.
        points: the curve.
        on: what it was measured on.
        remaining: texts of the transfer set without a label.
        why: it ended.
    """

    folder: Path
    points: tuple[Point, ...]
    on: str
    remaining: int
    why: str


class _Oracle:
    """The teacher of a run, asked for one batch at a time."""

    def __init__(self, run: Run) -> None:
        finetune(run)
        self.run, self.folder = run, run.store_folder
        self.labeller = run.open_teacher()
        self.why = ""

    @property
    def store(self) -> LogitStore:
        return LogitStore(self.folder, teacher=self.labeller.fingerprint, labels=self.run.dataset.task.labels)

    @property
    def cost(self) -> float:
        return self.run.teacher.cost(self.folder)

    def left(self, items: Sequence[Item]) -> list[Item]:
        aside = self.run.teacher.set_aside(self.folder)
        return [item for item in self.store.missing(items) if item not in aside]

    def ask(self, items: Sequence[Item]) -> int:
        """Label items, and return how many of them are settled now: labelled or set aside."""
        before = len(self.left(items))
        self.why = self.labeller.label(items, Items(), self.folder).why
        return before - len(self.left(items))


def buy_in_rounds(
    recipe: Recipe,
    out: Path | None = None,
    *,
    how: str = "uncertainty",
    batch: int = 200,
    rounds: int = 5,
    progress: Progress | None = None,
    function: Function | None = None,
) -> ActiveLearning:
    """Label a batch, fit the recipe's first student on all labels so far, let it choose the next batch.

    Batches are drawn from train and unlabelled texts; dev judges. The labels stand in the run's own logit
    store, so that a later ``distill`` of the same folder finds them. A killed or ended loop is continued.

    Args:
        recipe: of the run.
        out: folder of the run.
        how: one of `training.selection.WAYS`; the first batch knows no uncertainty.
        batch: texts a round.
        rounds: at most so many now.
        progress: audience.
        function: the teacher, where it is handed over in Python.

    Raises:
        RecipeError: an unknown way, or numbers below 1.
        TeacherError: the teacher refuses to answer.
    """
    if how not in WAYS or batch < 1 or rounds < 1:
        raise RecipeError(f"Select one of {', '.join(WAYS)}, at least 1 text a round, at least 1 round.")
    if recipe.data.stream is True:
        raise RecipeError("data.stream: texts to choose from are in memory. Leave it out.")
    with started(recipe, out, progress or Silent(), function, may_stream=False) as run:
        return _buy(run, how, batch, rounds)


def _buy(run: Run, how: str, batch: int, rounds: int) -> ActiveLearning:
    teller = _Oracle(run)
    augment(run)
    pool = list(dict.fromkeys((*run.dataset.train.texts, *run.pool)))
    folder = run.folder / "rounds"
    folder.mkdir(exist_ok=True)
    key = digest([run.teacher.key, run.labelled_key, run.recipe.students[0]])
    points = _known(folder / CURVE, key)
    chosen, why = "", "All rounds are done."
    for number in range(rounds + 1):
        left = teller.left(pool)
        student = _fit(run, teller, pool, points, chosen) if len(left) < len(pool) else None
        _keep(folder, key, points, run)
        if not left or number == rounds:
            why = why if left else "Every text is labelled."
            break
        chosen = how if student is not None or how != "uncertainty" else "random"
        picked = select(left, student, chosen, batch, (run.recipe.seed, len(pool) - len(left)))
        if not teller.ask(picked):
            why = teller.why
            break
    return ActiveLearning(run.folder, tuple(points), judge(run), len(teller.left(pool)), why)


def _known(path: Path, key: str) -> list[Point]:
    """The curve as it stands on disk, if it is of the same teacher, data and student."""
    if not path.is_file():
        return []
    found = read_json(path)
    return [Point(**point) for point in found["points"]] if found["key"] == key else []


def _fit(run: Run, teller: _Oracle, pool: Sequence[Item], points: list[Point], how: str) -> Predictor:
    from understudy.optim.loop import dev_score
    from understudy.training.fit import fit
    from understudy.training.transfer_set import with_soft_targets

    data, store = run.dataset, teller.store
    transfer = with_soft_targets(
        data.task, data.train.texts, data.train.labels, tuple(run.pool), store, is_partial=True
    )
    trained = fit(
        run.recipe.students[0],
        data.task,
        transfer,
        (data.dev.texts, data.dev.labels),
        seed=run.recipe.seed,
        loss=run.recipe.loss,
        config=run.recipe.training,
        vocabulary_items=pool,
        progress=run.stages.progress,
    )
    logits = trained.student.logits(data.dev.texts)
    reached, _ = dev_score(data.task, logits, data.dev.labels, data.task.rows(data.dev.texts))
    labels = len(pool) - len(store.missing(pool))
    if labels not in [point.labels for point in points]:
        points.append(Point(labels, round(reached, 6), how, round(teller.cost, 6)))
        run.stages.progress.say(f"{labels:,} labels: {data.task.metric} on {judge(run)} {reached:.4f}")
    return trained.student


def judge(run: Run) -> str:
    """What scores are measured on, for the eye."""
    return "dev" if len(run.dataset.train) else "dev, labelled by the teacher"


def _keep(folder: Path, key: str, points: Sequence[Point], run: Run) -> None:
    if not points:
        return
    student, metric, on = run.recipe.students[0], run.dataset.task.metric, judge(run)
    facts = {"key": key, "student": student, "metric": metric, "on": on}
    write_json(folder / CURVE, {**facts, "points": [asdict(point) for point in points]})
    write_bytes(folder / PICTURE, draw(points, student, metric, on))
