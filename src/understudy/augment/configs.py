"""What a recipe can say about each step that makes texts or filters them; no torch, nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from understudy.core.checks import STRICT, check_choice, check_positive
from understudy.core.configs import PRECISIONS
from understudy.errors import RecipeError
from understudy.teachers.chat.config import ServerConfig

MASK = "[MASK]"
"""What stands for a masked word, unless a config says otherwise (RoBERTa's tokenisers know ``<mask>``)."""

OPERATIONS = ("synonyms", "insertion", "swap", "deletion")
"""What `eda` does, a pass each in turn."""


def _check_shares(**values: float) -> None:
    for name, value in values.items():
        if not 0.0 <= value <= 1.0:
            raise RecipeError(f"{name} is {value}, but must lie between 0 and 1.")


@dataclass(frozen=True)
class RulesConfig:
    """Tang et al. 2019, section 3.2: all three rules in one pass; the other three configs are cases of it.

    Attributes:
        p_mask: chance of a word to be masked.
        p_swap: chance of a word to give way to another of its part of speech.
        p_ngram: chance of a text, after that, to be cut down to one n-gram.
        longest: n is drawn from 1 to ``longest``.
        passes: variants made of each text, before duplicates are dropped.
        mask: what stands for a masked word.
        tags: file of words with their parts of speech (`augment.rules.parts_of_speech.read_tags`); ``None``
            learns classes of words from the texts themselves.
        classes: number of these classes.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    p_mask: float = 0.1
    p_swap: float = 0.1
    p_ngram: float = 0.25
    longest: int = 5
    passes: int = 20
    mask: str = MASK
    tags: str | None = None
    classes: int = 64

    def __post_init__(self) -> None:
        _check_shares(p_mask=self.p_mask, p_swap=self.p_swap, p_ngram=self.p_ngram)
        _check_shares(**{"p_mask + p_swap": self.p_mask + self.p_swap})
        check_positive(longest=self.longest, passes=self.passes, classes=self.classes)
        if not self.mask.strip():
            raise RecipeError("mask is blank, but must be what stands for a masked word, such as '[MASK]'.")


@dataclass(frozen=True)
class MaskingConfig:
    """Each word becomes ``mask`` with chance ``p``, ``passes`` times."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    p: float = 0.1
    passes: int = 20
    mask: str = MASK

    def __post_init__(self) -> None:
        self.rules  # noqa: B018 -- checks the values

    @property
    def rules(self) -> RulesConfig:
        """The same as a case of all rules."""
        return RulesConfig(self.p, 0.0, 0.0, passes=self.passes, mask=self.mask)


@dataclass(frozen=True)
class PosSwapConfig:
    """Each word gives way with chance ``p`` to one of its part of speech, drawn by corpus frequency."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    p: float = 0.1
    passes: int = 20
    tags: str | None = None
    classes: int = 64

    def __post_init__(self) -> None:
        self.rules  # noqa: B018 -- checks the values

    @property
    def rules(self) -> RulesConfig:
        """The same as a case of all rules."""
        return RulesConfig(0.0, self.p, 0.0, passes=self.passes, tags=self.tags, classes=self.classes)


@dataclass(frozen=True)
class NgramConfig:
    """Each text is cut with chance ``p`` to an n-gram of 1 to ``longest`` words."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    p: float = 0.25
    longest: int = 5
    passes: int = 20

    def __post_init__(self) -> None:
        self.rules  # noqa: B018 -- checks the values

    @property
    def rules(self) -> RulesConfig:
        """The same as a case of all rules."""
        return RulesConfig(0.0, 0.0, self.p, longest=self.longest, passes=self.passes)


@dataclass(frozen=True)
class EdaConfig:
    """Wei & Zou 2019, section 2.

    Attributes:
        share: α, share of a text's words that an operation changes, at least one word.
        passes: variants of each text; the operations take turns.
        operations: which, in turn.
        synonyms: file with a word and its synonyms on each line, between tabs.
        vectors: file of word vectors in GloVe's format, whose nearest neighbours then stand for synonyms.
        neighbours: how many of them.
        most_vectors: how many lines of the file are read (frequent words come first in such files).
        stop_words: as many of the most frequent words are never replaced, nor inserted after.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    share: float = 0.1
    passes: int = 8
    operations: tuple[str, ...] = OPERATIONS
    synonyms: str | None = None
    vectors: str | None = None
    neighbours: int = 10
    most_vectors: int = 50_000
    stop_words: int = 50

    def __post_init__(self) -> None:
        _check_shares(share=self.share)
        object.__setattr__(self, "operations", tuple(self.operations))
        for operation in self.operations:
            check_choice("operation of eda", operation, OPERATIONS)
        if not self.operations:
            raise RecipeError(f"operations is empty. Name some of {list(OPERATIONS)}.")
        if self.synonyms and self.vectors:
            raise RecipeError(
                "Both synonyms and vectors are given, but eda draws from one. Drop one of them."
            )
        check_positive(
            share=self.share, passes=self.passes, neighbours=self.neighbours, most_vectors=self.most_vectors
        )
        if self.stop_words < 0:
            raise RecipeError(f"stop_words is {self.stop_words}, but must be at least 0.")


@dataclass(frozen=True)
class MlmConfig:
    """TinyBERT's data augmentation (Jiao et al. 2020, Algorithm 1; the defaults are theirs).

    Attributes:
        model: masked language model: folder or hub id, such as ``bert-base-uncased``.
        p: chance of a word to be replaced (p_t).
        passes: variants of each text (N_a).
        candidates: words to draw from at each place (K).
        vectors: file of word vectors in GloVe's format for words of several pieces; ``None`` takes the
            model's own embeddings, a word being the mean of its pieces.
        together: words of a text that are masked at once, as far apart as can be. The paper masks one; the
            work is divided by their number.
        token_budget: padded tokens a batch.
        precision: ``float32``, or ``bfloat16``, which is faster where the machine has it.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    model: str
    p: float = 0.4
    passes: int = 20
    candidates: int = 15
    vectors: str | None = None
    together: int = 1
    token_budget: int = 2048
    precision: str = "float32"

    def __post_init__(self) -> None:
        _check_shares(p=self.p)
        check_choice("precision", self.precision, PRECISIONS)
        check_positive(
            passes=self.passes,
            candidates=self.candidates,
            together=self.together,
            token_budget=self.token_budget,
        )


@dataclass(frozen=True)
class GenerateConfig:
    """A causal language model, fine-tuned on the task's texts, then sampled (Tang & Lin 2019).

    Attributes:
        model: folder or hub id, such as ``gpt2``.
        texts: how many texts are sampled, before duplicates are dropped.
        epochs: of fine-tuning; 0 samples the model as it is.
        learning_rate: of fine-tuning.
        batch_size: texts a batch, in fine-tuning.
        prefix_words: each sample goes on from the first 1 to ``prefix_words`` words of a given text.
        temperature: divides the logits.
        top_k: only the ``top_k`` likeliest tokens are drawn; 0 draws from all.
        top_p: only the likeliest tokens that together have this probability are drawn.
        most_tokens: length of a text, prefix included.
        separator: stands between the two texts of a pair; a sample without exactly one is dropped.
        precision: ``float32``, or ``bfloat16``, which is faster where the machine has it.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    model: str
    texts: int = 10_000
    epochs: int = 3
    learning_rate: float = 5e-5
    batch_size: int = 32
    prefix_words: int = 3
    temperature: float = 1.0
    top_k: int = 40
    top_p: float = 0.95
    most_tokens: int = 64
    separator: str = " ||| "
    precision: str = "float32"

    def __post_init__(self) -> None:
        check_positive(
            texts=self.texts,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            prefix_words=self.prefix_words,
            temperature=self.temperature,
            most_tokens=self.most_tokens,
            top_p=self.top_p,
        )
        _check_shares(top_p=self.top_p)
        check_choice("precision", self.precision, PRECISIONS)
        if min(self.epochs, self.top_k) < 0:
            raise RecipeError(f"epochs is {self.epochs} and top_k {self.top_k}: neither can be below 0.")
        if not self.separator.strip():
            raise RecipeError("separator is blank, but must tell the two texts of a pair apart.")


@dataclass(frozen=True)
class BackTranslateConfig:
    """There and back, then some words replaced (Nityasya et al. 2022, section 6.2).

    Attributes:
        there: sequence-to-sequence model into the other language, such as ``Helsinki-NLP/opus-mt-en-de``.
        back: its counterpart.
        mlm: how words are replaced afterwards; ``None`` replaces none.
        beams: width of the search; 1 is greedy.
        most_tokens: length of a translation.
        token_budget: padded tokens a batch.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    there: str
    back: str
    mlm: MlmConfig | None = None
    beams: int = 1
    most_tokens: int = 128
    token_budget: int = 2048

    def __post_init__(self) -> None:
        check_positive(beams=self.beams, most_tokens=self.most_tokens, token_budget=self.token_budget)


@dataclass(frozen=True, kw_only=True)
class ParaphraseConfig(ServerConfig):
    """Variants that a large language model writes, behind a chat server (see `ServerConfig`).

    Attributes:
        variants: asked of each text, in one request.
        labels: label name → one line that describes it. Of a labelled text the question names the label,
            which the variants shall keep, and describes it where it is described here.
        instructions: how to rewrite, in your words, in the place of the usual ones.
        temperature: of the sampling.
        most: texts that are asked about, drawn at random; ``None``: all.
        max_tokens: most tokens of an answer: of all variants together.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    variants: int = 3
    labels: dict[str, str] = field(default_factory=dict, hash=False)
    instructions: str = ""
    temperature: float = 1.0
    most: int | None = None
    max_tokens: int = 1024

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(variants=self.variants, most=self.most)
        if not 0.0 <= self.temperature < float("inf"):
            raise RecipeError(f"temperature is {self.temperature}, but must be at least 0, and finite.")


@dataclass(frozen=True)
class SentencesConfig:
    """Sentences of longer texts.

    Attributes:
        fewest: words of a sentence that is kept, at least.
        most: at most.
        is_penn_spaced: whether contractions and punctuation stand apart, as in sets that come from the Penn
            Treebank's tokeniser.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    fewest: int = 3
    most: int = 60
    is_penn_spaced: bool = False

    def __post_init__(self) -> None:
        check_positive(fewest=self.fewest, most=self.most)
        if self.fewest > self.most:
            raise RecipeError(f"No sentence has at least {self.fewest} words and at most {self.most}.")


@dataclass(frozen=True)
class MergeConfig:
    """Texts of other data sets (Nityasya et al. 2022, section 3.3).

    Attributes:
        sources: as `understudy.data.load_dataset` takes them.
        parts: which of each one's ``train``, ``dev``, ``test`` and ``unlabelled``.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    sources: tuple[str, ...]
    parts: tuple[str, ...] = ("train", "unlabelled")

    def __post_init__(self) -> None:
        object.__setattr__(self, "sources", tuple(self.sources))
        object.__setattr__(self, "parts", tuple(self.parts))
        if not self.sources or not self.parts:
            raise RecipeError("merge needs at least one source and one part, but has none.")
        for part in self.parts:
            check_choice("part", part, ("train", "dev", "test", "unlabelled"))
