"""What endpoints would be asked and what that may cost, counted before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from understudy.core.progress import Silent
from understudy.core.task import Item, Task
from understudy.data import load_dataset
from understudy.errors import RecipeError
from understudy.pipeline import pseudo_labels as unlabelled
from understudy.pipeline.recipe import Recipe
from understudy.pipeline.recipe_file import make_recipe
from understudy.pipeline.run import Run
from understudy.pipeline.stage_cache import StageCache
from understudy.pipeline.stages.augment import made_pool, tools_of
from understudy.targets.ledger import ASIDE, LEDGER, Ledger, read_aside
from understudy.teachers.chat.budget import Usage
from understudy.teachers.chat.config import ServerConfig
from understudy.teachers.configs import EndpointConfig
from understudy.teachers.prompt import Prompt

if TYPE_CHECKING:
    from understudy.augment import Step


@dataclass(frozen=True)
class Estimate:
    """Texts that are counted together.

    Attributes:
        name: for the eye.
        texts: to be asked about.
        known: texts beside them whose answers are there already.
        bill: what they may cost.
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
        file: as `understudy.pipeline.recipe_file.make_recipe` takes it, like the next two.
        flags: over the file.
        assignments: over both.
        out: folder of the run, whose pool and bought answers count; by default ``runs/NAME``.

    Raises:
        RecipeError: neither the teacher nor a step is an endpoint, so nothing is to be paid.
    """
    from understudy.augment import read_steps
    from understudy.augment.rules.passes import step_seeds

    recipe = make_recipe(file, flags, assignments)
    steps = [step for step in read_steps(recipe.augment) if step.name == "paraphrase"]
    if recipe.teacher.endpoint is None and not steps:
        raise RecipeError(
            "--dry-run tells the cost of an endpoint, but neither this teacher nor a step of augment is "
            "one: they cost nothing."
        )
    run = _opened(recipe, out)
    counted: set[str] = set()
    seeds = step_seeds(recipe.seed, [step.name for step in steps])
    said = [paraphrasing(run, step, counted, seed) for step, seed in zip(steps, seeds, strict=True)]
    return "\n\n".join([*said, labelling(run)] if recipe.teacher.endpoint else said)


def _opened(recipe: Recipe, out: Path | None) -> Run:
    """The run without its first stage: nothing is written."""
    if recipe.data.source is None:
        dataset = unlabelled.draw(recipe)
    else:
        dataset = load_dataset(recipe.data.source, **recipe.data.options, seed=recipe.seed)
    folder = out or Path("runs") / dataset.name
    run = Run(folder, recipe, StageCache(folder, Silent()), dataset)
    if recipe.data.source is None:
        aside = read_aside(run.store_folder / ASIDE)
        run.dataset = replace(dataset, dev=dataset.dev.without(aside), test=dataset.test.without(aside))
    return run


def labelling(run: Run) -> str:
    """The estimate of the stage `label`, and of dev and test where the teacher labels them.

    The pool counts as it is. Where it must still be made, the given texts do, and a sentence says so.
    """
    data, pool, config = run.dataset, made_pool(run), run.recipe.teacher.endpoint
    if config is None:
        raise RecipeError("The teacher is no endpoint: its answers cost nothing.")
    parts: dict[str, Iterable[Item]] = {"test": data.test.texts, "train": data.train.texts}
    if run.recipe.data.source is None:
        parts = {"dev": data.dev.texts, "test": data.test.texts}
    if pool is None:
        parts["unlabelled"] = data.unlabelled
    else:
        parts["the pool" if run.recipe.augment else "unlabelled"] = pool
    said = estimate(config, data.task, parts, run.store_folder)
    if pool is not None:
        return said
    names = ", ".join(entry if isinstance(entry, str) else next(iter(entry)) for entry in run.recipe.augment)
    return (
        f"{said}\nThe pool must still be made: {names} will add texts to these, or take some away. Make it "
        f"(understudy augment … --out {run.folder}), and ask again."
    )


def estimate(
    config: EndpointConfig, task: Task, parts: Mapping[str, Iterable[Item]], folder: Path | None = None
) -> str:
    """What labelling would ask and cost at most, about, in a few lines; nothing is sent.

    Args:
        config: the endpoint.
        task: label names.
        parts: name of a split → its texts.
        folder: of the logit store; what was bought or set aside there is not asked again.
    """
    prompt = Prompt(config, task)
    by_code = config.targets == "soft" or (config.targets == "auto" and not prompt.is_many)
    times = config.samples if config.targets == "votes" else 1
    ledger = None if folder is None else Ledger(folder / LEDGER)
    aside = {} if folder is None else read_aside(folder / ASIDE)
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
    """The estimate of one step `paraphrase`.

    Args:
        run: as far as it came.
        step: what is asked.
        counted: keys of questions that steps before it ask, whose answers it finds; its own are added.
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
    said = _sentences(f"Paraphrasing ({config.variants} variants a text) with {config.model}", config, [part])
    long = sum(answer > config.max_tokens for _, answer in tokens)
    cut = f"\n{long:,} answers may be longer than max_tokens ({config.max_tokens:,}), and be lost: raise it."
    return said + (cut if long else "")


def _not_bought(items: Sequence[Item], ledger: Ledger, aside: Iterable[Item]) -> list[Item]:
    """The items that were neither answered nor set aside."""
    settled = {*ledger.rows(items)[0], *aside}
    return [item for item in items if item not in settled]


def _bill(config: ServerConfig, tokens: Iterable[tuple[int, int, int]]) -> Usage:
    """Of so many tokens of prompt and of answer, so many times."""
    requests = prompt = answers = 0
    for one, other, times in tokens:
        requests, prompt, answers = requests + times, prompt + times * one, answers + times * other
    return Usage(requests, prompt, answers, config.cost(prompt, answers), requests)


def _sentences(what: str, config: ServerConfig, parts: Sequence[Estimate]) -> str:
    total = sum((part.bill for part in parts), Usage())
    money = (
        f"about {total.cost:,.4f} {config.currency}"
        if config.has_prices
        else "unknown: give price_in and price_out"
    )
    how = f"the tokeniser {config.tokenizer}" if config.tokenizer else "an estimate by characters"
    pace = (
        f", at least {total.requests / config.requests_per_minute:,.1f} min"
        if config.requests_per_minute
        else ""
    )
    limits = [f"{config.budget:g} {config.currency}"] if config.budget is not None else []
    limits += [f"{config.budget_requests:,} requests"] if config.budget_requests is not None else []
    asked = f"Together {total.requests:,} requests{pace}, {total.prompt_tokens:,} tokens of prompt"
    lines = [f"{what} at {config.base_url} (nothing was sent):", *map(str, parts)]
    lines.append(f"{asked} and {total.completion_tokens:,} of answers, by {how}.")
    lines.append(f"Cost: {money}. Answers that are asked for again come on top.")
    lines.append(f"Budget: {' and '.join(limits) or 'none'}.")
    return "\n".join(lines)
