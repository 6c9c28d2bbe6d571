"""Estimate what a run would ask of endpoints and what that may cost; nothing is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from understudy.core.progress import Silent
from understudy.core.task import Item, Task
from understudy.data import load_dataset
from understudy.errors import RecipeError
from understudy.pipeline.pseudo_labels import draw
from understudy.pipeline.recipe import Recipe
from understudy.pipeline.recipe_file import make_recipe
from understudy.pipeline.run import Run
from understudy.pipeline.stage_cache import StageCache
from understudy.pipeline.stages.augment import made_pool, tools_of
from understudy.targets.ledger import Ledger, read_aside
from understudy.teachers.chat.budget import Usage
from understudy.teachers.chat.config import ServerConfig
from understudy.teachers.chat.ledger import ASIDE, LEDGER
from understudy.teachers.configs import EndpointConfig
from understudy.teachers.prompt import Prompt

if TYPE_CHECKING:
    from understudy.augment import Step


@dataclass(frozen=True)
class Estimate:
    """Texts that are counted together.

    Attributes:
        name: What the estimate calls them.
        texts: Number of texts to be asked about.
        known: Number of further texts whose answers were bought before.
        bill: What they may cost.
    """

    name: str
    texts: int
    known: int
    bill: Usage

    def __str__(self) -> str:
        known = f" ({self.known:,} more were asked before)" if self.known else ""
        return f"  {self.name}: {self.texts:,} texts{known}, {self.bill.prompt_tokens:,} tokens of prompt"


def dry_run(
    file: Path | None, flags: Mapping[str, object], assignments: Sequence[str], out: Path | None = None
) -> str:
    """What the run that a recipe describes would still ask of endpoints, and what that may cost.

    Args:
        file: The recipe's file, as `understudy.pipeline.recipe_file.make_recipe` takes it.
        flags: Keys that override the file.
        assignments: ``key=value``, which override both.
        out: Folder of the run, whose pool and bought answers count; by default ``runs/NAME``.

    Raises:
        RecipeError: Neither the teacher nor a step is an endpoint, so there is nothing to pay.
    """
    from understudy.augment import read_steps
    from understudy.augment.rules.passes import step_seeds

    recipe = make_recipe(file, flags, assignments)
    steps = [step for step in read_steps(recipe.augment) if step.name == "paraphrase"]
    if recipe.teacher.endpoint is None and not steps:
        raise RecipeError(
            "--dry-run estimates the cost of an endpoint, but neither this teacher nor a step of augment is "
            "one: they cost nothing."
        )

    run = _opened(recipe, out)
    counted: set[str] = set()
    seeds = step_seeds(recipe.seed, [step.name for step in steps])
    estimates = [paraphrasing(run, step, counted, seed) for step, seed in zip(steps, seeds, strict=True)]
    return "\n\n".join([*estimates, labelling(run)] if recipe.teacher.endpoint else estimates)


def _opened(recipe: Recipe, out: Path | None) -> Run:
    """Open the run without writing anything."""
    if recipe.data.source is None:
        dataset = draw(recipe)
    else:
        dataset = load_dataset(recipe.data.source, **recipe.data.options, seed=recipe.seed)
    folder = out or Path("runs") / dataset.name

    run = Run(folder, recipe, StageCache(folder, Silent()), dataset)
    if recipe.data.source is None:
        aside = read_aside(run.store_folder / ASIDE)
        run.dataset = replace(dataset, dev=dataset.dev.without(aside), test=dataset.test.without(aside))
    return run


def labelling(run: Run) -> str:
    """The estimate for the stage `label`, and for dev and test where the teacher labels them.

    Where the pool must still be made, the texts that it is made from are counted, and a sentence says so.
    """
    data, pool, config = run.dataset, made_pool(run), run.recipe.teacher.endpoint
    if config is None:
        raise RecipeError("The teacher is not an endpoint: its answers cost nothing.")

    parts: dict[str, Iterable[Item]] = {"test": data.test.texts, "train": data.train.texts}
    if run.recipe.data.source is None:
        parts = {"dev": data.dev.texts, "test": data.test.texts}
    if pool is None:
        parts["unlabelled"] = data.unlabelled
    else:
        parts["the pool" if run.recipe.augment else "unlabelled"] = pool

    sentences = estimate(config, data.task, parts, run.store_folder)
    if pool is not None:
        return sentences
    names = ", ".join(entry if isinstance(entry, str) else next(iter(entry)) for entry in run.recipe.augment)
    return (
        f"{sentences}\nThe pool must still be made: {names} will add texts to these, or take some away. Make "
        f"it (understudy augment … --out {run.folder}), and ask again."
    )


def estimate(
    config: EndpointConfig, task: Task, parts: Mapping[str, Iterable[Item]], folder: Path | None = None
) -> str:
    """Estimate in a few lines what labelling would ask, and what it would cost at most; nothing is sent.

    Args:
        config: The endpoint.
        task: The task, with its label names.
        parts: Name of a split → its texts.
        folder: Folder of the logit store; texts that were bought or set aside there are not asked about.
    """
    prompt = Prompt(config, task)
    by_code = config.targets == "soft" or (config.targets == "auto" and not prompt.is_many)
    times = config.samples if config.targets == "votes" else 1
    ledger = None if folder is None else Ledger(folder / LEDGER)
    aside = {} if folder is None else read_aside(folder / ASIDE)

    # A text of two parts is counted in the first.
    seen: set[Item] = set()
    counted = []
    for name, items in parts.items():
        fresh = [item for item in dict.fromkeys(items) if item not in seen]
        seen.update(fresh)
        todo = fresh if ledger is None else _not_bought(fresh, ledger, aside)
        left = {item: times - len(ledger.votes(item)) if ledger else times for item in todo}
        tokens = ((*prompt.tokens(item, by_code=by_code), count) for item, count in left.items())
        bill = _bill(config, tokens)
        counted.append(Estimate(name, len(todo), len(fresh) - len(todo), bill))

    return _sentences(f"Labelling with {config.model}", config, counted)


def paraphrasing(run: Run, step: Step, counted: set[str], seed: int) -> str:
    """The estimate for one step `paraphrase`.

    Args:
        run: The run; answers that it bought before are not counted.
        step: The step.
        counted: Keys of the questions of steps before it, which are not asked twice; its own are added.
        seed: The step's own seed, as the pool's builder gives it.
    """
    from understudy.augment.paraphrase import Paraphraser
    from understudy.augment.pool import originals

    config, data = step.config, run.dataset
    tools = replace(tools_of(run), seed=seed)
    paraphraser = Paraphraser(config, tools)
    chosen = paraphraser.chosen(originals(step.of, data.train.texts, data.given))
    todo = [item for item in paraphraser.missing(chosen) if paraphraser.key(item) not in counted]
    counted.update(map(paraphraser.key, todo))

    tokens = [paraphraser.tokens(item) for item in todo]
    bill = _bill(config, ((prompt, min(answer, config.max_tokens), 1) for prompt, answer in tokens))
    part = Estimate("train and unlabelled", len(todo), len(chosen) - len(todo), bill)
    sentences = _sentences(
        f"Paraphrasing ({config.variants} variants a text) with {config.model}", config, [part]
    )

    long = sum(answer > config.max_tokens for _, answer in tokens)
    cut = f"\n{long:,} answers may be longer than max_tokens ({config.max_tokens:,}), and be lost: raise it."
    return sentences + (cut if long else "")


def _not_bought(items: Sequence[Item], ledger: Ledger, aside: Iterable[Item]) -> list[Item]:
    """The items that were neither answered nor set aside."""
    settled = {*ledger.rows(items)[0], *aside}
    return [item for item in items if item not in settled]


def _bill(config: ServerConfig, tokens: Iterable[tuple[int, int, int]]) -> Usage:
    """The bill for questions: tokens of the prompt, tokens of the answer, and how often each is asked."""
    requests = prompt = answers = 0
    for prompt_tokens, answer_tokens, times in tokens:
        requests += times
        prompt += times * prompt_tokens
        answers += times * answer_tokens
    return Usage(requests, prompt, answers, config.cost(prompt, answers), requests)


def _sentences(what: str, config: ServerConfig, parts: Sequence[Estimate]) -> str:
    """The estimate in words, with the rate, the cost and the budget."""
    total = sum((part.bill for part in parts), Usage())
    money = (
        f"about {total.cost:,.4f} {config.currency}"
        if config.has_prices
        else "unknown: give price_in and price_out"
    )
    counted_by = f"the tokeniser {config.tokenizer}" if config.tokenizer else "an estimate by characters"
    at_least = (
        f", at least {total.requests / config.requests_per_minute:,.1f} min"
        if config.requests_per_minute
        else ""
    )
    limits = [f"{config.budget:g} {config.currency}"] if config.budget is not None else []
    limits += [f"{config.budget_requests:,} requests"] if config.budget_requests is not None else []

    asked = f"Together {total.requests:,} requests{at_least}, {total.prompt_tokens:,} tokens of prompt"
    lines = [f"{what} at {config.base_url} (nothing was sent):", *map(str, parts)]
    lines.append(f"{asked} and {total.completion_tokens:,} of answers, by {counted_by}.")
    lines.append(f"Cost: {money}. Answers that are asked for again come on top.")
    lines.append(f"Budget: {' and '.join(limits) or 'none'}.")
    return "\n".join(lines)
