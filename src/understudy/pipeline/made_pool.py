"""A pool for data that has none: texts made by rules, as many as the teacher labels in a stated time."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np

from understudy.core.manifest import publish, read_json
from understudy.pipeline.predictors import open_predictor
from understudy.pipeline.recipe import Recipe
from understudy.pipeline.run import Run

MOST_PASSES = 20
"""Passes of the rules over the labelled texts, at most; Tang et al. 2019 make as many."""

PROBED = 128
"""Texts that the teacher answers to see how fast it is."""

FILE = "budget.json"


def wants_pool(run: Run) -> bool:
    """Whether a pool is to be made: there is no other text, the recipe allows it, and labels cost nothing."""
    recipe, data = run.recipe, run.dataset
    return (
        recipe.make_pool is not None
        and not recipe.augment
        and not data.unlabelled.rows
        and len(data.train) > 0
        and data.task.kind != "tagging"
        and len(run.teacher.members) > 0
    )


def plan_pool(run: Run) -> None:
    """Add the rules to the run's recipe, with as many passes as there is time to label; once decided, kept.

    The speed of the teacher is measured on this machine, so the number of passes is written down: a run that
    is continued, here or elsewhere, uses the same.
    """
    if not wants_pool(run):
        return
    seconds, texts = run.recipe.make_pool or 0, run.dataset.train.texts
    folder = run.folder / "pool-budget"
    inputs = {"teacher": run.teacher.key, "data": run.labelled_key, "seconds": seconds}

    def work(about: dict[str, str]) -> None:
        rate = _rate(run)
        passes = int(min(MOST_PASSES, rate * seconds // max(1, len(texts))))
        facts = {"passes": passes, "texts_per_second": round(rate, 1), "seconds": seconds}
        with publish(folder, about) as aside:
            (aside / FILE).write_text(json.dumps(facts, indent=2), encoding="utf-8")

    run.stages.run("pool budget", folder, inputs, work)
    facts = read_json(folder / FILE)
    note = _note(facts["passes"], facts["texts_per_second"], seconds)
    run.stages.progress.say(note)
    run.dataset = replace(run.dataset, notes=(*run.dataset.notes, note))
    if facts["passes"]:
        run.recipe = with_rules(run.recipe, facts["passes"])
        run.has_made_pool = True


def with_rules(recipe: Recipe, passes: int) -> Recipe:
    """The recipe with a step of rules."""
    return recipe.model_copy(update={"augment": ({"rules": {"passes": passes}},)})


def _rate(run: Run) -> float:
    """Texts that the teacher answers a second, measured on some of the labelled ones."""
    texts = run.dataset.train.texts
    picked = np.random.default_rng(run.recipe.seed).permutation(len(texts))[:PROBED]
    some = [texts[row] for row in picked]
    rates = []
    for member in run.teacher.members:
        predictor = open_predictor(member.spec, run.dataset.task).predictor
        predictor.logits(some[:8])
        started = time.perf_counter()
        predictor.logits(some)
        rates.append(len(some) / (time.perf_counter() - started))
    return 1.0 / sum(1.0 / rate for rate in rates)


def _note(passes: int, rate: float, seconds: float) -> str:
    if not passes:
        return (
            f"No pool was made: the teacher labels {rate:,.0f} texts a second here, and make_pool allows "
            f"{seconds:g} s."
        )
    many = "1 pass" if passes == 1 else f"{passes} passes"
    why = "as many as we ever make" if passes == MOST_PASSES else "as many as there is time to label"
    return (
        f"There are no unlabelled texts, so {many} of rules over the labelled ones make a pool: {why}, with "
        f"{seconds:g} s (make_pool) and a teacher that labels {rate:,.0f} texts a second."
    )
