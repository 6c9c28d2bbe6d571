"""What a recipe can say about fine-tuning, losses and training; without torch, so that checks are quick."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from understudy.core.checks import STRICT, check_choice, check_positive
from understudy.core.task import KINDS, Task
from understudy.errors import RecipeError

AUTO = "auto"
"""Stands for what is chosen on dev."""

LOSSES = ("mse", "kl", "bce", "hard", "gold")
"""Every loss that a recipe can name beside `AUTO`; `losses_for` says which fit a task."""

WARM = ("kl", "bce")
"""Losses that have a temperature."""

POOLINGS = ("auto", "cls", "mean")
VOCABULARIES = ("words", "wordpiece", "teacher")
PAIRS = ("joint", "diffcat", "compare")
VECTORS_OF_TEACHER = ("teacher", "teacher-static")
"""Word tables that start from the teacher: from its input embeddings, and from each word once through it."""

RANDOM = "random"
"""The word table that starts from nothing."""

BAGS = ("linear.v1", "cbow.v2", "dan.v2")

DEFAULT_STUDENTS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(KINDS, BAGS),
    **dict.fromkeys(("classification", "multilabel"), (*BAGS, "kim-cnn.v1")),  # word order matters to some
    "tagging": ("window.v1:tagger",),
}
"""Students of a recipe that names none, by kind of task."""

TRAINERS = ("auto", "native", "torch")
PRECISIONS = ("float32", "bfloat16")
TEACHER_PRECISIONS = ("auto", *PRECISIONS)
"""Precisions of a teacher; ``auto`` is bfloat16 where the processor has instructions for it, else float32."""

FEWEST_STEPS = 250
"""Steps of fine-tuning that a teacher gets, unless a recipe says how many epochs."""


@dataclass(frozen=True)
class LossConfig:
    """Which loss: ``alpha · gold + (1 - alpha) · soft`` (Galke et al. use 0.5), or one of them alone.

    Attributes:
        name: ``mse``, ``kl``, ``bce``, ``hard`` (soft targets), ``gold`` (labels only, no teacher), or
            ``auto``, with which a run chooses on dev among `candidates`.
        temperature: Temperature of ``kl`` and ``bce``; the others have none, and refuse a value other than 1.
        alpha: Share of the gold loss. Texts without a gold label take the soft loss alone.
        noise: Standard deviation of ξ in ``(1 + ξ) · t``, drawn anew for every logit of the teacher at every
            step (Sau & Balasubramanian 2016, noisy teachers); 0 adds none.
        layers: Weight of the loss on the teacher's embeddings, hidden states and attentions (TinyBERT, Jiao
            et al. 2020, eqs. 7-9), added to the rest; for transformer students with the teacher's vocabulary.

    Raises:
        RecipeError: an unknown name, or an option that the named loss cannot honour.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    name: str = "mse"
    temperature: float = 1.0
    alpha: float = 0.0
    noise: float = 0.0
    layers: float = 0.0

    def __post_init__(self) -> None:
        check_choice("loss", self.name, (*LOSSES, AUTO))
        check_positive(temperature=self.temperature)
        if not 0.0 <= self.alpha <= 1.0:
            raise RecipeError(f"alpha is {self.alpha}, but must lie between 0 and 1.")
        if self.name == AUTO and (self.temperature, self.alpha) != (1.0, 0.0):
            raise RecipeError(
                "The loss 'auto' chooses temperature and alpha itself. Drop them, or name a loss."
            )
        if self.name not in WARM and self.temperature != 1.0:
            raise RecipeError(f"The loss {self.name!r} has no temperature. Drop it, or choose 'kl' or 'bce'.")

        if not 0.0 <= self.noise < 10.0:
            raise RecipeError(f"noise is {self.noise}, but must be at least 0 and less than 10.")
        if not 0.0 <= self.layers < math.inf:
            raise RecipeError(f"layers is {self.layers}, but must be at least 0, and finite.")

        if self.name == "gold" and self.layers != 0.0:
            raise RecipeError("The loss 'gold' uses no teacher, so layers has no effect. Drop it.")
        if self.name == "gold" and self.noise != 0.0:
            raise RecipeError("The loss 'gold' uses no teacher, so noise has no effect. Drop it.")
        if self.name == "gold" and self.alpha != 0.0:
            raise RecipeError("The loss 'gold' uses only gold labels, so alpha has no effect. Drop it.")

    @property
    def needs_teacher(self) -> bool:
        """Whether soft targets are read."""
        return self.name != "gold"


def losses_for(task: Task) -> tuple[str, ...]:
    """The losses that fit a task; the first is the default.

    ``kl`` compares distributions over labels that exclude each other, ``bce`` labels each for itself; a
    regression on values has squared errors alone.
    """
    if task.kind == "multilabel":
        return ("mse", "bce", "hard", "gold")
    if task.kind == "regression" and not task.is_binned:
        return ("mse", "gold")
    return ("mse", "kl", "hard", "gold")


def candidates(task: Task) -> tuple[LossConfig, ...]:
    """The losses that ``auto`` chooses from, the first being preferred where dev sees no difference.

    Soft targets alone, and with half of the loss from gold labels on labelled texts. Tagging is not raced: of
    sentences that are labelled, a mix was better than soft targets alone wherever we looked.
    """
    if task.kind == "tagging":
        return (LossConfig("kl", alpha=0.5),)
    if task.kind == "multilabel":
        return tuple(LossConfig(name, alpha=alpha) for name in ("bce", "mse") for alpha in (0.5, 0.0))
    if task.kind == "regression" and not task.is_binned:
        return (LossConfig("mse"), LossConfig("mse", alpha=0.5))
    warm = [LossConfig("kl", temperature, alpha) for temperature in (2.0, 1.0) for alpha in (0.5, 0.0)]
    return (*warm, LossConfig("mse", alpha=0.5), LossConfig("mse"))


def check_loss(task: Task, config: LossConfig) -> None:
    """Refuse a loss that does not fit the task.

    Raises:
        RecipeError: the message names the losses that fit.
    """
    fitting = losses_for(task)
    if config.name != AUTO and config.name not in fitting:
        what = "regression on values" if fitting == ("mse", "gold") else f"{task.kind} task"
        raise RecipeError(
            f"The loss {config.name!r} does not fit a {what}. Choose one of {', '.join(map(repr, fitting))}."
        )


@dataclass(frozen=True)
class FinetuneConfig:
    """How a bare encoder becomes a teacher; the defaults are those of the distillation papers.

    Attributes:
        epochs: Passes over the labelled texts; ``None`` is 3, or as many as make `FEWEST_STEPS` steps, since
            three passes over a few hundred texts leave the head untrained.
        learning_rate: Peak rate, decayed linearly to zero.
        batch_size: Texts a step.
        pooling: ``cls``, ``mean``, or ``auto``: the mean for bodies that were trained with it. Tagging reads
            every token, and refuses another value than ``auto``.
        class_weights: Whether rare labels weigh more, in inverse proportion to their frequency.
        precision: ``float32``, ``bfloat16`` autocast, or ``auto`` for what suits the processor.
        is_embedding_frozen: Whether the token embeddings keep their pretrained values (faster).
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    epochs: int | None = None
    learning_rate: float = 5e-5
    batch_size: int = 16
    pooling: str = "auto"
    class_weights: bool = False
    precision: str = "auto"
    is_embedding_frozen: bool = False

    def __post_init__(self) -> None:
        check_choice("pooling", self.pooling, POOLINGS)
        check_choice("precision", self.precision, TEACHER_PRECISIONS)
        check_positive(epochs=self.epochs, learning_rate=self.learning_rate, batch_size=self.batch_size)

    def passes(self, texts: int) -> int:
        """Epochs over ``texts`` labelled texts."""
        return self.epochs or max(3, -(-FEWEST_STEPS // -(-texts // self.batch_size)))


@dataclass(frozen=True)
class TrainingConfig:
    """How a student is trained; ``None`` takes the student's own default.

    Attributes:
        vocabulary: ``words`` of the transfer set, ``wordpiece`` trained on it, or the ``teacher``'s.
        vocabulary_size: Words or pieces at most, special ones included; a teacher's keeps its size.
        epochs: Passes over the transfer set, at most.
        batch_size: Texts a step.
        learning_rate: Peak rate of AdamW, decayed linearly.
        patience: Epochs without a better dev score before stopping.
        class_weights: Whether rare gold labels weigh more (only where the loss has a gold part).
        pair: How two texts are read: ``joint``, in one with a separator between, or ``diffcat``, each by
            itself and joined with their difference (Conneau et al. 2017), or ``compare``, which adds their
            product and what words the two share; ``None`` takes the student's own.
        embeddings: What the word table starts from: ``teacher`` (its input embeddings), ``teacher-static``
            (each word once through it), ``random``, or a file of vectors; ``None`` is random, and in a run
            ``teacher-static`` where dev says that it helps.
        is_embedding_frozen: Whether the word table keeps what it started from.
        gold_pass: Whether a student that learnt from soft targets sees the gold labels once more at the end,
            in a few epochs that are kept only if dev improves (Ye et al. 2022, section 3).
        trainer: ``native`` (in C, for `cbow.v1` and `dan.v1`), ``torch``, or ``auto``: the first where it can
            and texts are many. A learning rate or a batch size is the torch loop's, and decides for that.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    vocabulary: str = "words"
    vocabulary_size: int | None = None
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    patience: int | None = None
    class_weights: bool = False
    pair: str | None = None
    embeddings: str | None = None
    is_embedding_frozen: bool = False
    gold_pass: bool = True
    trainer: str = "auto"

    def __post_init__(self) -> None:
        check_choice("trainer", self.trainer, TRAINERS)
        check_choice("vocabulary", self.vocabulary, VOCABULARIES)
        if self.pair is not None:
            check_choice("way to read pairs", self.pair, PAIRS)
        if self.is_embedding_frozen and self.embeddings in (None, RANDOM):
            raise RecipeError("A random word table cannot be frozen. Say what it starts from (embeddings).")
        check_positive(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            patience=self.patience,
        )
        if self.vocabulary_size is not None and self.vocabulary_size < 10:
            raise RecipeError(f"vocabulary_size is {self.vocabulary_size}, but must be at least 10.")
