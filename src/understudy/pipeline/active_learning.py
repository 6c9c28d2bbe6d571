"""Buy labels in rounds: a student chooses the next texts, and a curve shows what they were worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from understudy.core.checks import check_choice
from understudy.core.corpus import Items
from understudy.core.manifest import digest, read_json, write_bytes, write_json
from understudy.core.progress import Progress, Silent
from understudy.core.task import Item, Predictor
from understudy.errors import ArtifactError, RecipeError
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
"""File of the curve, from which a later call continues."""

PICTURE = "curve.png"
"""The curve as a picture."""


@dataclass(frozen=True)
class ActiveLearning:
    """The result of buying labels in rounds.

    Attributes:
        folder: Folder of the run; ``rounds/`` in it has the curve as JSON and as a picture.
        points: The curve.
        measured_on: The split that its scores were measured on.
        remaining: Number of texts of the transfer set without a label.
        why: Why the rounds ended.
    """

    folder: Path
    points: tuple[Point, ...]
    measured_on: str
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
        """The logit store that it fills."""
        return self.run.store(self.labeller.fingerprint)

    @property
    def cost(self) -> float:
        """Money spent so far."""
        return self.run.teacher.cost(self.folder)

    def left(self, items: Sequence[Item]) -> list[Item]:
        """The items that are neither labelled nor set aside."""
        aside = self.run.teacher.set_aside(self.folder)
        return [item for item in self.store.missing(items) if item not in aside]

    def ask(self, items: Sequence[Item]) -> int:
        """Label items; return how many more of them are labelled or set aside now."""
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
    """Label a batch, fit the recipe's first student on all labels so far, and let it choose the next batch.

    Batches are drawn from train and unlabelled texts; scores are measured on dev. The labels are kept in the
    run's own logit store, where a later ``distill`` into the same folder finds them. A later call continues
    where this one ended or was killed.

    Args:
        recipe: Recipe of the run.
        out: Folder of the run; by default ``runs/NAME``.
        how: How a batch is chosen, one of `understudy.training.acquisition.WAYS`. The first batch is drawn at
            random where no student has been fitted yet.
        batch: Number of texts in a round.
        rounds: Number of rounds, at most.
        progress: Where progress is shown.
        function: The teacher, where it is handed over in Python.

    Raises:
        RecipeError: The way is unknown, or a number is below 1; the message names it.
        TeacherError: The teacher refuses to answer.
    """
    check_choice("way to select", how, WAYS)
    for name, number in (("batch", batch), ("rounds", rounds)):
        if number < 1:
            raise RecipeError(f"{name} is {number}, but must be at least 1.")

    if recipe.data.stream is True:
        raise RecipeError("data.stream: texts to choose from are in memory. Leave it out.")

    with started(recipe, out, progress or Silent(), function, may_stream=False) as run:
        return _buy(run, how, batch, rounds)


def _buy(run: Run, how: str, batch: int, rounds: int) -> ActiveLearning:
    """Fit, choose and label, until the rounds, the texts or the teacher's answers end."""
    run.recipe = run.recipe.model_copy(update={"make_pool": None})  # only given texts are chosen from
    oracle = _Oracle(run)
    augment(run)
    pool = list(dict.fromkeys((*run.dataset.train.texts, *run.pool)))
    folder = run.folder / "rounds"
    folder.mkdir(exist_ok=True)
    key = digest([run.teacher.key, run.labelled_key, run.recipe.students[0]])
    points = _known(folder / CURVE, key)

    chosen, why = "", "All rounds are done."
    # One fit more than there are rounds: the last batch has a point of the curve, too.
    for number in range(rounds + 1):
        left = oracle.left(pool)
        student = _fit(run, oracle, pool, points, chosen) if len(left) < len(pool) else None
        _keep(folder, key, points, run)
        if not left or number == rounds:
            why = why if left else "Every text is labelled."
            break

        chosen = how if student is not None or how != "uncertainty" else "random"
        picked = select(left, student, chosen, batch, (run.recipe.seed, len(pool) - len(left)))
        if not oracle.ask(picked):
            why = oracle.why
            break

    return ActiveLearning(run.folder, tuple(points), measured_on(run), len(oracle.left(pool)), why)


def _known(path: Path, key: str) -> list[Point]:
    """The curve on disk, if it belongs to the same teacher, data and student; otherwise no points."""
    if not path.is_file():
        return []
    curve = read_json(path)
    try:
        return [Point(**point) for point in curve["points"]] if curve["key"] == key else []
    except (KeyError, TypeError) as error:
        raise ArtifactError(
            f"{path} is damaged: it does not hold a curve. Delete it; labels that were bought are kept."
        ) from error


def _fit(run: Run, oracle: _Oracle, pool: Sequence[Item], points: list[Point], how: str) -> Predictor:
    """Fit the first student on all labels so far, and add its score to the points."""
    from understudy.optim.loop import dev_score
    from understudy.training.fit import fit
    from understudy.training.transfer_set import with_soft_targets

    data, store = run.dataset, oracle.store
    transfer = with_soft_targets(
        data.task, data.train.texts, data.train.labels, tuple(run.pool), store, is_partial=True
    )
    trained = fit(
        run.recipe.students[0],
        data.task,
        transfer,
        (data.dev.texts, data.dev.labels),
        seed=run.recipe.seed,
        loss=run.chosen.loss,
        config=run.recipe.training,
        vocabulary_items=pool,
        progress=run.stages.progress,
    )

    logits = trained.student.logits(data.dev.texts)
    reached, _ = dev_score(data.task, logits, data.dev.labels, data.task.rows(data.dev.texts))
    labels = len(pool) - len(store.missing(pool))
    # A loop that continues fits the same labels again, and the point exists already.
    if labels not in [point.labels for point in points]:
        points.append(Point(labels, round(reached, 6), how, round(oracle.cost, 6)))
        run.stages.progress.say(f"{labels:,} labels: {data.task.metric} on {measured_on(run)} {reached:.4f}")
    return trained.student


def measured_on(run: Run) -> str:
    """The split that scores are measured on, in words."""
    return "dev" if len(run.dataset.train) else "dev, labelled by the teacher"


def _keep(folder: Path, key: str, points: Sequence[Point], run: Run) -> None:
    """Write the curve and its picture, if there is a point."""
    if not points:
        return
    student, metric, on = run.recipe.students[0], run.dataset.task.metric, measured_on(run)
    facts = {"key": key, "student": student, "metric": metric, "on": on}
    write_json(folder / CURVE, {**facts, "points": [asdict(point) for point in points]})
    write_bytes(folder / PICTURE, draw(points, student, metric, on))
