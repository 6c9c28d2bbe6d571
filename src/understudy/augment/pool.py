"""Build the pool of texts beside the labelled ones, step by step, and report what became of every text."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from understudy.augment.dedup import (
    SHOWN,
    Deduplicator,
    KeySet,
    Removed,
    hash_keys,
    item_keys,
    normalise_unordered,
    not_held_out,
    pick,
)
from understudy.augment.filters.decision import Filtered, word_counts
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
from understudy.augment.rules.passes import sides, step_seed, step_seeds, variants
from understudy.core.progress import Progress, Silent
from understudy.core.task import IntArray, Item
from understudy.errors import DataError

GIVEN = -1
"""Origin of a text that was given; the others have the number of their step."""


@dataclass(frozen=True)
class StepReport:
    """What one step did.

    Attributes:
        name: Name of the step; ``given`` for the texts that the pool began with.
        before: Texts in the pool before.
        made: Texts that the step made, before any was dropped.
        removed: Number of texts that were dropped, by reason.
        repeated: Rows added by oversampling.
        after: Texts in the pool after.
        lengths: Words of each text after, as counts by number of words: ``lengths[k]`` texts have k words.
        seconds: Time that the step took.
        survivors: Some of the texts that it made (or, for a filter, kept), at random.
        victims: Some of those that it dropped, at random.
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
        origins: ``(n,)``. Number of the step that made each, or `GIVEN`.
        reports: The pool's beginning, then one for each step.
    """

    items: tuple[Item, ...]
    origins: IntArray
    reports: tuple[StepReport, ...]

    def __len__(self) -> int:
        return len(self.items)


def normalise_held_out(items: Iterable[Item], *, are_words: bool = False) -> frozenset[str]:
    """Dev and test texts, normalised as `build_pool` and `stream_pool` compare them.

    Args:
        items: The texts, pairs, or sentences.
        are_words: Whether they are the words of sentences, as in `StepContext`.
    """
    return frozenset(normalise_unordered(item, are_words=are_words) for item in items)


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
        labelled: The training texts; never removed, and not part of the pool.
        given: Further texts without labels.
        steps: What to do.
        seed: Seed of all draws.
        held_out: Dev and test texts, as `normalise_held_out` gives them.
        tools: What the steps may use; its seed and its labelled texts are set here. It says whether items are
            the words of sentences, too.
        progress: Where progress is shown.

    Raises:
        DataError: Texts and pairs are mixed.
        RecipeError: A step needs something that is not there.
    """
    _check_one_kind([*labelled, *given])
    tools = replace(tools or StepContext(), labelled=labelled, progress=progress or Silent())

    barred = KeySet()
    barred.add(hash_keys(held_out))
    free = [not_held_out(items, barred, are_words=tools.are_words) for items in (labelled, given)]
    builder = _Builder({of: originals(of, *free) for of in ORIGINALS}, barred, seed, tools.are_words)
    builder.seen.add(item_keys(labelled))
    builder.add("given", GIVEN, [list(given)])

    seeds = step_seeds(seed, [step.name for step in steps])
    with tools.progress.bar("augmenting", len(steps), "steps") as advance:
        for number, step in enumerate(steps):
            step_tools = replace(tools, seed=seeds[number])
            if step.spec.kind == FILTER:
                builder.filter(step, step_tools)
            else:
                builder.add(step.name, number, make(step, builder.sources[step.of], step_tools))
            advance(1)

    origins = np.array(builder.origins, dtype=np.int64)
    return Pool(tuple(builder.items), origins, tuple(builder.reports))


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
class _Builder:
    """A pool while steps add to it and remove from it.

    Attributes:
        sources: Value of the option ``of`` → the texts that a step starts from.
        held_out: Keys of dev and test.
        seed: Seed of the pool.
        are_words: Whether items are the words of sentences.
        seen: Keys of the labelled texts and of all that was ever in the pool.
        items: The pool.
        origins: Number of the step that made each.
        words: ``(n,)``. Number of words of each.
        reports: What happened so far.
    """

    sources: dict[str, tuple[Item, ...]]
    held_out: KeySet
    seed: int
    are_words: bool
    seen: KeySet = field(default_factory=KeySet)
    items: list[Item] = field(default_factory=list)
    origins: list[int] = field(default_factory=list)
    words: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    reports: list[StepReport] = field(default_factory=list)

    def add(self, name: str, origin: int, lists: Iterable[Sequence[Item]]) -> None:
        """Let in those items that are new."""
        started, before = time.perf_counter(), len(self.items)

        unique = Deduplicator(self.seen, self.held_out, are_words=self.are_words)
        for items in lists:
            _check_one_kind([*self.sources[OF_ALL][:1], *items[:1]])
            self.items.extend(unique.pass_through(items)[0])
        self.origins += [origin] * (len(self.items) - before)
        self.words = np.concatenate([self.words, word_counts(self.items[before:])])

        shown = np.arange(before, len(self.items))
        self._report(
            name, started, before, shown, made=unique.made, removed=unique.removed, victims=unique.victims
        )

    def filter(self, step: Step, tools: StepContext) -> None:
        """Keep the items that a filter keeps."""
        started, before = time.perf_counter(), len(self.items)

        decided: Filtered = step.spec.run(step.config, self.items, tools)
        victims = pick(self.items, decided.removed, SHOWN, tools.seed)
        self.items = [self.items[row] for row in decided.kept.tolist()]
        self.origins = [self.origins[row] for row in decided.kept.tolist()]
        self.words = self.words[decided.kept]

        self._report(
            step.name,
            started,
            before,
            np.arange(len(self.items)),
            removed={decided.reason: len(decided.removed)} if len(decided.removed) else {},
            victims=[Removed(item, decided.reason) for item in victims],
        )

    def _report(
        self,
        name: str,
        started: float,
        before: int,
        shown: IntArray,
        *,
        made: int = 0,
        removed: dict[str, int],
        victims: Sequence[Removed],
    ) -> None:
        seconds = time.perf_counter() - started
        draw = step_seed(self.seed, f"shown {name}")

        self.reports.append(
            StepReport(
                name=name,
                before=before,
                made=made,
                removed=dict(removed),
                repeated=len(self.items) - before - made + sum(removed.values()),
                after=len(self.items),
                lengths=np.bincount(self.words),
                seconds=seconds,
                survivors=pick(self.items, shown, SHOWN, draw),
                victims=pick(victims, np.arange(len(victims)), SHOWN, draw),
            )
        )


def _check_one_kind(items: Sequence[Item]) -> None:
    kinds = {isinstance(item, str) for item in items}
    if len(kinds) > 1:
        raise DataError("Texts and pairs of texts are mixed. Give one or the other.")
