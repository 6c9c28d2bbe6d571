"""The kinds of teacher that come with us: local models, a function, a table of answers, a chat endpoint."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from understudy.core.corpus import Corpus
from understudy.core.manifest import digest, file_digest
from understudy.core.progress import Progress
from understudy.core.task import Item, Predictor, Task
from understudy.pipeline.local_teacher import Member, members_of
from understudy.pipeline.predictors import PredictorSpec, open_predictor
from understudy.pipeline.recipe import Recipe
from understudy.pipeline.teacher import Labelled, teacher_kind
from understudy.targets import labelling
from understudy.targets.buying import buy
from understudy.targets.ledger import Ledger, read_aside
from understudy.targets.store import LogitStore
from understudy.teachers.answer_table import TableTeacher, read_table_teacher
from understudy.teachers.chat.ledger import ASIDE, LEDGER
from understudy.teachers.configs import EndpointConfig
from understudy.teachers.function import Function, FunctionTeacher, find_function
from understudy.teachers.prompt import Prompt

CHEAP_TEXTS = 2**13
"""Texts that a function or table answers at once in a streamed run: few calls are faster than many."""


@dataclass(frozen=True)
class PredictorLabeller:
    """A teacher that answers immediately and is free: a model, a function or a table.

    Attributes:
        predictor: The opened teacher.
        fingerprint: Changes when its answers may change.
        progress: Where progress is shown.
        shard_texts: Number of texts that it answers at once where the pool is on disk.
    """

    predictor: Predictor
    fingerprint: str
    progress: Progress
    shard_texts: int = labelling.SHARD_TEXTS

    def label(self, first: Sequence[Item], pool: Corpus, folder: Path) -> Labelled:
        """Show it every distinct item that is not in the store: see `Labeller.label`."""
        store = LogitStore(folder, teacher=self.fingerprint, labels=self.predictor.task.labels)
        done = self._label(first, pool, store)
        texts = done.labelled + done.reused
        sentence = f"{done.labelled:,} texts labelled, {done.reused:,} found in the store"
        return Labelled(texts, texts, done.labelled, self.fingerprint, sentences=(sentence,))

    def _label(self, first: Sequence[Item], pool: Corpus, store: LogitStore) -> labelling.Labelling:
        """Label all at once, or a pool on disk part by part."""
        if not pool.is_on_disk:
            return labelling.label(self.predictor, [*first, *pool], store, progress=self.progress)
        distinct = list(dict.fromkeys(first))
        return labelling.label_stream(
            self.predictor,
            itertools.chain(distinct, pool),
            store,
            shard_texts=self.shard_texts,
            progress=self.progress,
            total=len(distinct) + pool.rows,
        )


@dataclass(frozen=True)
class LocalTeacher:
    """Models on this machine: a transformer or an exported student, or several that answer as one.

    Attributes:
        members: The models, at least one.
        recipe: The recipe, which decides how several answer as one.
    """

    members: tuple[Member, ...]
    recipe: Recipe
    is_kept = False
    is_paid = False

    @property
    def name(self) -> str:
        """The names of the models."""
        return " + ".join(member.source.name for member in self.members)

    @cached_property
    def key(self) -> str:
        """Changes when the answers may change."""
        if len(self.members) == 1:
            return self.members[0].key
        return digest([self.recipe.teacher.mean, [member.key for member in self.members]])

    @property
    def spec(self) -> PredictorSpec:
        """How to open it."""
        if len(self.members) == 1:
            return self.members[0].spec
        specs = tuple(member.spec for member in self.members)
        return PredictorSpec("ensemble", self.name, members=specs, mean=self.recipe.teacher.mean)

    def soft_key(self, found: int) -> object:  # noqa: ARG002
        """Its key alone: it answers every text."""
        return self.key

    def open(self, task: Task, progress: Progress, seed: int) -> PredictorLabeller:  # noqa: ARG002
        """Load the models."""
        opened = open_predictor(self.spec, task)
        return PredictorLabeller(opened.predictor, opened.fingerprint, progress)

    def set_aside(self, folder: Path) -> Mapping[Item, str]:  # noqa: ARG002
        """An empty mapping: it answers every text."""
        return {}

    def cost(self, folder: Path) -> float:  # noqa: ARG002
        """Zero: its answers are free."""
        return 0.0


@dataclass(frozen=True)
class InstantTeacher:
    """A Python function or a table of answers: it needs no loading, and is free.

    Attributes:
        name: What the report calls it.
        key: Changes when its answers may change.
        teacher: The function or table, as a Predictor with a fingerprint.
        spec: How another process opens it. It is ``None`` for a function that was handed over, and for a
            table, because the time of a look-up is not the time that its answers took.
    """

    name: str
    key: str
    teacher: FunctionTeacher | TableTeacher
    spec: PredictorSpec | None = None
    is_kept = True
    is_paid = False
    members: tuple[Member, ...] = ()

    def soft_key(self, found: int) -> object:
        """Its key, and the number of texts that it answered."""
        return [self.key, found]

    def open(self, task: Task, progress: Progress, seed: int) -> PredictorLabeller:  # noqa: ARG002
        """Return its labeller; there is nothing to open."""
        return PredictorLabeller(self.teacher, self.teacher.fingerprint, progress, CHEAP_TEXTS)

    def set_aside(self, folder: Path) -> Mapping[Item, str]:  # noqa: ARG002
        """An empty mapping: it answers every text."""
        return {}

    def cost(self, folder: Path) -> float:  # noqa: ARG002
        """Zero: its answers are free."""
        return 0.0


@dataclass(frozen=True)
class EndpointLabeller:
    """A chat endpoint, asked within its budget; every paid answer is kept.

    Attributes:
        config: The endpoint.
        task: The task, whose labels it chooses from.
        progress: Where progress is shown.
        seed: Seed of the jitter added to waiting times.
    """

    config: EndpointConfig
    task: Task
    progress: Progress
    seed: int

    @property
    def fingerprint(self) -> str:
        """Changes with the prompt and the model."""
        return Prompt(self.config, self.task).fingerprint

    def label(self, first: Sequence[Item], pool: Corpus, folder: Path) -> Labelled:
        """Buy answers for the items that are not in the store: see `Labeller.label`."""
        bought = buy(self.config, self.task, [*first, *pool], folder, self.progress, seed=self.seed)
        notes = bought.notes(self.config)
        return Labelled(
            texts=bought.asked,
            found=bought.asked - bought.set_aside - bought.remaining,
            new=bought.new,
            fingerprint=bought.fingerprint,
            set_aside=bought.set_aside,
            remaining=bought.remaining,
            why=bought.why,
            notes=notes,
            sentences=notes,
        )


@dataclass(frozen=True)
class EndpointTeacher:
    """A large language model behind an OpenAI-compatible endpoint.

    Attributes:
        config: The endpoint.
        key: Changes when its answers may change.
    """

    config: EndpointConfig
    key: str
    spec: PredictorSpec | None = None
    is_kept = True
    is_paid = True
    members: tuple[Member, ...] = ()

    @property
    def name(self) -> str:
        """The model's name on the server."""
        return self.config.model

    def soft_key(self, found: int) -> object:
        """Its key, and the number of texts that it answered: more may be bought later."""
        return [self.key, found]

    def open(self, task: Task, progress: Progress, seed: int) -> EndpointLabeller:
        """Return its labeller, which connects when it is first asked."""
        return EndpointLabeller(self.config, task, progress, seed)

    def set_aside(self, folder: Path) -> Mapping[Item, str]:
        """The texts in the store's file of texts that were set aside, each with the reason."""
        return read_aside(folder / ASIDE)

    def cost(self, folder: Path) -> float:
        """The sum of the bills in the store's ledger."""
        return Ledger(folder / LEDGER).bill.cost


@teacher_kind
def _endpoint(recipe: Recipe, task: Task, _: Path, __: Function | None) -> EndpointTeacher | None:
    config = recipe.teacher.endpoint
    return None if config is None else EndpointTeacher(config, Prompt(config, task).fingerprint)


@teacher_kind
def _function(recipe: Recipe, task: Task, _: Path, function: Function | None) -> InstantTeacher | None:
    reference, labels = recipe.teacher.callable, recipe.teacher.labels
    if reference is None:
        return None
    teacher = FunctionTeacher(function or find_function(reference), task, labels)
    spec = None if function else PredictorSpec("callable", reference, teacher_labels=labels)
    return InstantTeacher(reference, teacher.fingerprint, teacher, spec)


@teacher_kind
def _table(recipe: Recipe, task: Task, _: Path, __: Function | None) -> InstantTeacher | None:
    config = recipe.teacher.table
    if config is None:
        return None
    teacher = read_table_teacher(config, task)
    key = digest([file_digest(Path(config.path)), asdict(config), task.to_dict()])
    return InstantTeacher(teacher.name, key, teacher)


@teacher_kind
def _local(recipe: Recipe, _: Task, folder: Path, __: Function | None) -> LocalTeacher | None:
    members = members_of(recipe, folder)
    return LocalTeacher(members, recipe) if members else None
