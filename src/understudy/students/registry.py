"""Students by versioned name. A name stands in every saved folder, so it never changes its meaning.

``bilstm.v1`` is a student in its own sizes, ``bilstm.v1:tang`` the same student in the sizes of a preset.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, NamedTuple, TypeVar

import torch
from torch import nn

from understudy.core.configs import TrainingConfig
from understudy.core.task import KINDS
from understudy.errors import RecipeError, nearest
from understudy.students.network import FEATURES, Network, features_of
from understudy.tokenization.encoding import APART

OPTIONS = frozenset(field.name for field in fields(TrainingConfig))
"""What can be said of a student's training behind its name."""

DERIVED = frozenset({"vocabulary_size", "direct"})
"""Sizes that nobody chooses: they follow from the texts and from the task."""

PRESET_MARK = ":"
"""Stands between a student's name and its preset's."""


@dataclass(frozen=True)
class TrainingDefaults:
    """What a student is trained with unless a recipe says otherwise.

    Attributes:
        epochs: Passes over the transfer set, at most.
        batch_size: Texts a step, at most; small sets have smaller steps (`training.lesson.usual_batch`).
        learning_rate: Peak rate of AdamW.
        patience: Epochs without a better dev score before stopping.
        is_bucketed: Whether batches hold texts of similar lengths (for students that pad).
        row_rate: Learning rate of Adagrad, for tables of which a step changes few rows.
        pair: How two texts are read, one of `understudy.core.configs.PAIRS`.
        vocabulary_size: Words or pieces, at most.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    patience: int = 10
    is_bucketed: bool = False
    row_rate: float = 0.1
    pair: str = "diffcat"
    vocabulary_size: int = 5000


@dataclass(frozen=True)
class StudentSpec:
    """A registered student.

    Attributes:
        name: Versioned name.
        encoder: Class of the encoder, called as ``encoder(config)``.
        config: Frozen dataclass with the sizes, among them ``vocabulary_size`` and ``max_words``.
        head: (config, width, labels) → head that reads ``width`` features.
        formula: (config, labels, features) → number of parameters; ``features`` is one of
            `understudy.students.network.FEATURES`.
        training: Defaults.
        source: The paper.
        presets: Sizes by name, each next to the config's own for the rest.
        has_ngrams: Whether its vocabulary holds n-grams: ``config.ngrams`` of up to ``config.longest`` words,
            and where ``config.characters`` is true ``config.parts`` parts of words.
        knows_teacher: Whether its vocabulary goes on with words that only its teacher knows.
    """

    name: str
    encoder: Callable[[Any], nn.Module]
    config: type[Any]
    head: Callable[[Any, int, int], nn.Module]
    formula: Callable[[Any, int, int], int]
    training: TrainingDefaults
    source: str
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    has_ngrams: bool = False
    knows_teacher: bool = False

    @property
    def sizes(self) -> list[str]:
        """Names of the sizes that the config has."""
        return [each.name for each in fields(self.config)]

    @property
    def apart(self) -> str:
        """How it reads two texts that are not joined: ``compare`` if its encoder does, else ``diffcat``."""
        return "compare" if hasattr(self.encoder, "compare") else "diffcat"

    def parameters(self, config: Any, labels: int, form: str = "text") -> int:
        """Number of parameters, by formula."""
        return self.formula(config, labels, FEATURES[form])

    def module(self, config: Any, labels: int, form: str = "text") -> Network:
        """A network with random weights.

        Raises:
            RecipeError: The student does not read texts in this form.
        """
        kind = "tagging" if form == "tokens" else "classification"
        if reason := self.refusal(kind, asdict(config)) or self.pair_refusal(form):
            raise RecipeError(reason)
        if "direct" in self.sizes:  # it says which columns of a row are logits
            config = replace(config, direct=labels)
        encoder: Any = self.encoder(config)
        return Network(encoder, self.head(config, features_of(encoder, form), labels), form)

    def refusal(self, kind: str, sizes: Mapping[str, Any] | None = None) -> str:
        """Why the student, in some sizes, cannot answer a kind of task, or nothing where it can."""
        if kind == "tagging" and not hasattr(self.encoder, "tokens"):
            return f"{self.name} has no features of single words, so it cannot tag them."
        if kind != "tagging" and (sizes or {}).get("spelling"):
            return (
                f"{self.name}: spelling is read of the words of a sentence that is tagged, but this is "
                f"another kind of task ({kind}). Leave spelling=true out."
            )
        return ""

    def pair_refusal(self, pair: str) -> str:
        """Why the student cannot read two texts in a way, or nothing where it can."""
        if pair not in APART or pair == self.apart:
            return ""
        return (
            f"{self.name} cannot read two texts as {pair!r}: it reads them as 'joint', in one, or as "
            f"{self.apart!r}, apart."
        )


STUDENTS: dict[str, StudentSpec] = {}
"""Every student by name."""

M = TypeVar("M", bound=type[nn.Module])


def register(
    name: str,
    *,
    config: type[Any],
    head: Callable[[Any, int, int], nn.Module],
    parameters: Callable[[Any, int, int], int],
    training: TrainingDefaults,
    source: str,
    presets: Mapping[str, Mapping[str, Any]] | None = None,
    has_ngrams: bool = False,
    knows_teacher: bool = False,
) -> Callable[[M], M]:
    """Decorate an encoder class to make it a student.

    A preset leaves the sizes in `DERIVED` alone.

    Raises:
        RecipeError: The name is taken, or a preset names a size that it cannot set.
    """

    def add(encoder: M) -> M:
        if name in STUDENTS:
            raise RecipeError(f"There is a student {name!r} already. Give the new one another version.")
        made = StudentSpec(
            name,
            encoder,
            config,
            head,
            parameters,
            training,
            source,
            presets or {},
            has_ngrams,
            knows_teacher,
        )
        for preset, sizes in made.presets.items():
            _check_sizes(f"{name}{PRESET_MARK}{preset}", sizes, set(made.sizes) - DERIVED)
        STUDENTS[name] = made
        return encoder

    return add


class Parsed(NamedTuple):
    """A student as a recipe names it.

    Attributes:
        student: Its registered name.
        sizes: Those of a preset, and single ones.
        options: Fields of `understudy.core.configs.TrainingConfig` for this student alone.
    """

    student: str
    sizes: dict[str, Any]
    options: dict[str, Any]


def parse(name: str) -> Parsed:
    """What follows a name: a preset, sizes and training options, separated by commas.

    ``bilstm.v1:tang`` has a preset's sizes, ``cbow.v1:width=32,vocabulary_size=20000`` a size of its own and
    a larger vocabulary, ``hybrid.v1:head=mlp,pair=joint`` another head and way to read pairs.

    Raises:
        RecipeError: There is no such student, preset or size; the message suggests the nearest.
    """
    student, mark, rest = name.partition(PRESET_MARK)
    if student not in STUDENTS:
        raise RecipeError(f"Unknown student {student!r}. {nearest(student, STUDENTS)}")

    sizes: dict[str, Any] = {}
    options: dict[str, Any] = {}
    known = set(STUDENTS[student].sizes) - DERIVED
    for word in rest.split(",") if mark else ():
        key, equals, value = word.partition("=")
        if not equals:
            sizes.update(_preset(student, word))
        elif key in OPTIONS:
            options[key] = _value(value)
        else:
            _check_sizes(student, {key: value}, known | OPTIONS)
            sizes[key] = _value(value)
    return Parsed(student, sizes, options)


def _preset(student: str, name: str) -> Mapping[str, Any]:
    presets = STUDENTS[student].presets
    if name not in presets:
        raise RecipeError(f"{student} has no preset {name!r}. {nearest(name, presets)}")
    return presets[name]


def _value(text: str) -> int | float | str | bool | None:
    """A size as it is written behind a name."""
    words = {"none": None, "true": True, "false": False}
    if text in words:
        return words[text]
    for number in (int, float):
        with contextlib.suppress(ValueError):
            return number(text)
    return text


def spec(name: str) -> StudentSpec:
    """The registered student of that name; a preset behind it must exist, and changes nothing.

    Raises:
        RecipeError: There is none; the message suggests the nearest.
    """
    return STUDENTS[parse(name)[0]]


def build(name: str, labels: int, *, seed: int, form: str = "text", **sizes: Any) -> Network:
    """A new student with random weights; the same seed gives the same weights.

    Args:
        name: Name of the student, with or without a preset.
        labels: Number of logits, c.
        seed: Seed of the weights.
        form: How it reads texts, one of `understudy.tokenization.encoding.INPUTS`.
        sizes: Sizes that replace those of the preset, or of the student.

    Raises:
        RecipeError: An unknown name, or a size that this student does not have.
    """
    found, preset = spec(name), parse(name).sizes
    _check_sizes(found.name, sizes, found.sizes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return found.module(found.config(**{**preset, **sizes}), labels, form)


def rebuild(name: str, config: Mapping[str, Any], labels: int, form: str = "text") -> Network:
    """A student from its saved config, to load weights into."""
    return build(name, labels, seed=0, form=form, **config)


def listing(
    labels: int = 2, vocabulary_size: int | None = None, head: str | None = None, form: str = "text"
) -> list[dict[str, Any]]:
    """Every student with what it can do and its number of parameters, JSON-ready.

    A row's ``kinds`` says of every kind of task whether the student answers it, or why not; ``presets`` are
    named by what `parse` reads, each with its sizes and its number of parameters. A student that does not
    read pairs in the form asked for has no number of parameters, and its ``kinds`` say why.

    Args:
        labels: Number of logits.
        vocabulary_size: Rows of the embedding table; ``None`` takes each student's own.
        head: For the students that have a choice of heads; the others keep theirs.
        form: ``text``, or for pairs whose texts are read apart ``diffcat`` or ``compare``.
    """
    rows = []
    for name in sorted(STUDENTS):
        found = STUDENTS[name]
        asked = {"vocabulary_size": vocabulary_size, "head": head}
        sizes = {key: value for key, value in asked.items() if value is not None and key in found.sizes}
        config = found.config(**sizes)
        refused = found.pair_refusal(form)
        kinds = {kind: found.refusal(kind) or True for kind in KINDS}
        presets = {
            f"{name}{PRESET_MARK}{preset}": {
                "sizes": dict(own),
                "parameters": None
                if refused
                else found.parameters(found.config(**{**own, **sizes}), labels, form),
            }
            for preset, own in found.presets.items()
        }
        rows.append(
            {
                "name": name,
                "parameters": None if refused else found.parameters(config, labels, form),
                "vocabulary_size": config.vocabulary_size,
                "kinds": {**kinds, "pair": refused} if refused else kinds,
                "presets": presets,
                "source": found.source,
            }
        )

    return rows


def describe(name: str, module: Network) -> dict[str, Any]:
    """A student's name, sizes and form, JSON-ready, as `rebuild` reads them."""
    return {"name": name, "config": asdict(module.config), "form": module.form}


def count_parameters(module: nn.Module) -> int:
    """Number of parameters, trained or frozen."""
    return sum(parameter.numel() for parameter in module.parameters())


def _check_sizes(name: str, sizes: Mapping[str, Any], known: Any) -> None:
    for size in sizes:
        if size not in known:
            raise RecipeError(f"{name} has no size {size!r}. {nearest(size, known)}")
