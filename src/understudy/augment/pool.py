"""Build the pool of texts beside the labelled ones, step by step, and keep account of every text."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from understudy.augment import steps as _steps  # noqa: F401 -- registers them
from understudy.augment.dedup import (
    SHOWN,
    Deduplicator,
    KeySet,
    Removed,
    hash_keys,
    item_keys,
    judged_form,
    not_held_out,
    pick,
)
from understudy.augment.filters.basic import Filtered, word_counts
from understudy.augment.registry import (
    FILTER,
    OF_ALL,
    OF_GIVEN,
    OF_LABELLED,
    ORIGINALS,
    RULES,
    Step,
    StepContext,
)
from understudy.augment.rules.passes import sides, step_seed, variants
from understudy.core.progress import Progress, Silent
from understudy.core.task import IntArray, Item
from understudy.errors import DataError

GIVEN = -1
"""Origin of a text that was given; the others have the number of their step."""


@dataclass(frozen=True)
class StepReport:
    """What one step did.

    Attributes:
        name: of the step; ``given`` for the texts that the pool began with.
        before: texts in the pool before.
        made: texts that the step brought, before any was dropped.
        removed: how many were dropped, by reason.
        repeated: rows added by oversampling.
        after: texts in the pool after.
        lengths: words of each text after, as counts by number of words: ``lengths[k]`` texts have k words.
        seconds: it took.
        survivors: some of the texts that it made (or, for a filter, kept), at random.
        victims: some of those that it dropped, at random.
    """

    name: str
    before: int
    made: int
    removed: dict[str, int]
    repeated: int
    after: int
    lengths: IntArray
    seconds: float
    survivors: tuple[Item, ...]
    victims: tuple[Removed, ...]


@dataclass(frozen=True)
class Pool:
    """The texts beside the labelled ones.

    Attributes:
        items: ``n`` texts or pairs; distinct, unless labels were oversampled.
        origins: ``(n,)`` number of the step that made each, or `GIVEN`.
        reports: the pool's beginning, then one for each step.
    """

    items: tuple[Item, ...]
    origins: IntArray
    reports: tuple[StepReport, ...]

    def __len__(self) -> int:
        return len(self.items)


def held_out_forms(items: Iterable[Item]) -> frozenset[str]:
    """Dev and test texts in the form in which `build_pool` and `stream_pool` compare them."""
    return frozenset(map(judged_form, items))


def build_pool(
    labelled: Sequence[Item],
    given: Sequence[Item] = (),
    steps: Sequence[Step] = (),
    *,
    seed: int = 0,
    held_out: Iterable[str] = (),
    tools: StepContext | None = None,
    progress: Progress | None = None,
) -> Pool:
    """Begin with ``given``, and let each step add texts to the pool or remove some from it, in order.

    Every step that makes texts starts from the labelled and the given ones, not from what others made, and
    draws from a seed of its own: what it makes does not depend on the steps beside it. A text enters once,
    and never if it is labelled or held out (case folded, white space made one space; held-out pairs in either
    order). No step is shown a held-out text either.

    Args:
        labelled: the training texts; never removed, and not part of the pool.
        given: further texts without labels.
        steps: what to do.
        seed: of all draws.
        held_out: dev and test texts, as `held_out_forms` writes them.
        tools: what the steps may use; its seed and its labelled texts are set here.
        progress: audience.

    Raises:
        DataError: texts and pairs are mixed.
        RecipeError: a step needs something that is not there.
    """
    _check_one_kind([*labelled, *given])
    tools = replace(tools or StepContext(), labelled=labelled, progress=progress or Silent())
    judges = KeySet()
    judges.add(hash_keys(held_out))
    open_to_steps = not_held_out(labelled, judges), not_held_out(given, judges)
    building = _Building(
        sources={of: originals(of, *open_to_steps) for of in ORIGINALS},
        held_out=judges,
        seen=KeySet(),
        seed=seed,
    )
    building.seen.add(item_keys(labelled))
    _add(building, "given", GIVEN, [list(given)])
    with tools.progress.bar("augmenting", len(steps), "steps") as advance:
        for number, step in enumerate(steps):
            own = replace(tools, seed=step_seed(seed, step.name))
            if step.spec.kind == FILTER:
                _filter(building, step, own)
            else:
                _add(building, step.name, number, make(step, building.sources[step.of], own))
            advance(1)
    return Pool(tuple(building.items), np.array(building.origins, dtype=np.int64), tuple(building.reports))


def originals(of: str, labelled: Sequence[Item], given: Sequence[Item]) -> tuple[Item, ...]:
    """The texts that a step starts from, each once: ``of`` is one of `ORIGINALS`."""
    return tuple(dict.fromkeys({OF_ALL: [*labelled, *given], OF_LABELLED: labelled, OF_GIVEN: given}[of]))


def make(step: Step, items: Sequence[Item], tools: StepContext) -> Iterator[list[Item]]:
    """What a step makes of texts or pairs, list by list, duplicates included."""
    if step.spec.kind != RULES:
        made: Iterator[list[Item]] = step.spec.run(step.config, items, tools)
        return made
    sample = [text for column in sides(items) for text in column]
    rule = step.spec.run(step.config, sample, tools)
    return variants(items, rule, passes=step.config.passes, seed=tools.seed)


@dataclass
class _Building:
    sources: dict[str, tuple[Item, ...]]
    held_out: KeySet
    seen: KeySet
    seed: int
    items: list[Item] = field(default_factory=list)
    origins: list[int] = field(default_factory=list)
    words: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    reports: list[StepReport] = field(default_factory=list)


def _add(building: _Building, name: str, origin: int, lists: Iterable[Sequence[Item]]) -> None:
    started, before = time.perf_counter(), len(building.items)
    sieve = Deduplicator(building.seen, building.held_out)
    for items in lists:
        _check_one_kind([*building.sources[OF_ALL][:1], *items[:1]])
        building.items.extend(sieve.pass_through(items)[0])
    building.origins += [origin] * (len(building.items) - before)
    building.words = np.concatenate([building.words, word_counts(building.items[before:])])
    _report(
        building,
        name,
        started,
        before,
        made=sieve.made,
        removed=dict(sieve.removed),
        shown=np.arange(before, len(building.items)),
        victims=sieve.victims,
    )


def _filter(building: _Building, step: Step, tools: StepContext) -> None:
    started, before = time.perf_counter(), len(building.items)
    decided: Filtered = step.spec.run(step.config, building.items, tools)
    gone = pick(building.items, decided.removed, SHOWN, tools.seed)
    building.items = [building.items[row] for row in decided.kept.tolist()]
    building.origins = [building.origins[row] for row in decided.kept.tolist()]
    building.words = building.words[decided.kept]
    removed = len(decided.removed)
    _report(
        building,
        step.name,
        started,
        before,
        made=0,
        removed={decided.reason: removed} if removed else {},
        shown=np.arange(len(building.items)),
        victims=[Removed(item, decided.reason) for item in gone],
    )


def _report(
    building: _Building,
    name: str,
    started: float,
    before: int,
    *,
    made: int,
    removed: dict[str, int],
    shown: IntArray,
    victims: Sequence[Removed],
) -> None:
    draw = step_seed(building.seed, f"shown {name}")
    seconds = time.perf_counter() - started
    building.reports.append(
        StepReport(
            name=name,
            before=before,
            made=made,
            removed=removed,
            repeated=len(building.items) - before - made + sum(removed.values()),
            after=len(building.items),
            lengths=np.bincount(building.words),
            seconds=seconds,
            survivors=pick(building.items, shown, SHOWN, draw),
            victims=pick(victims, np.arange(len(victims)), SHOWN, draw),
        )
    )


def _check_one_kind(items: Sequence[Item]) -> None:
    kinds = {isinstance(item, str) for item in items}
    if len(kinds) > 1:
        raise DataError("Texts and pairs of texts are mixed. Give the one or the other.")
