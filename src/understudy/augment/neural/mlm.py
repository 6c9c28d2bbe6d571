"""Words refilled by a masked language model, as TinyBERT's data are (Jiao et al. 2020, Algorithm 1).

Each word of one piece is masked by itself (or with ``together`` - 1 others, far apart), and the model's
``candidates`` likeliest words are kept, without the word itself; a word of several pieces gets its nearest
neighbours by embedding. Then each variant replaces every word with chance ``p`` by one of its candidates.
Everything else stays to the letter, and so do the parts of a contraction, such as ``n't``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from understudy.augment.neural.loading import TEXTS, Ids, Model, Tokenizer, load, pad, padding_id, sizes
from understudy.augment.registry import MODEL, PathOption, StepContext, register
from understudy.augment.rules.passes import sides
from understudy.augment.rules.synonyms import Neighbours
from understudy.core.checks import STRICT, check_choice, check_positive, check_shares
from understudy.core.configs import PRECISIONS
from understudy.core.progress import Progress, Silent
from understudy.core.task import FloatArray, IntArray, Item
from understudy.data.readers.vectors import read_first_vectors
from understudy.errors import RecipeError
from understudy.tokenization.batching import budgeted_batches

if TYPE_CHECKING:
    from torch import Tensor

MOST_VECTORS = 400_000
"""Words of a file of vectors that are read: the number of words in GloVe's smaller files."""

_APOSTROPHES = frozenset("'’")


@dataclass(frozen=True)
class MlmConfig:
    """TinyBERT's data augmentation (the defaults are those of the paper).

    Attributes:
        model: Masked language model: folder or hub id, such as ``bert-base-uncased``.
        p: Chance that a word is replaced (p_t).
        passes: Variants of each text (N_a).
        candidates: Words to draw from at each place (K).
        vectors: File of word vectors in GloVe's format for words of several pieces; ``None`` takes the
            model's own embeddings, where a word is the mean of its pieces.
        together: Words of a text that are masked at once, as far apart as possible. The paper masks one; the
            work is divided by this number.
        token_budget: Padded tokens in a batch.
        precision: ``float32``, or ``bfloat16``, which is faster where the machine has it.
    """

    __pydantic_config__: ClassVar = STRICT

    model: PathOption
    p: float = 0.4
    passes: int = 20
    candidates: int = 15
    vectors: PathOption | None = None
    together: int = 1
    token_budget: int = 2048
    precision: str = "float32"

    def __post_init__(self) -> None:
        check_shares(p=self.p)
        check_choice("precision", self.precision, PRECISIONS)
        check_positive(
            passes=self.passes,
            candidates=self.candidates,
            together=self.together,
            token_budget=self.token_budget,
        )


@register("mlm", MODEL, config=MlmConfig, source="Jiao et al. 2020, Algorithm 1")
def mlm(config: MlmConfig, items: Sequence[Item], tools: StepContext) -> Iterator[list[Item]]:
    """Load the model, and make ``passes`` variants of each text or pair."""
    loaded = load("mlm", "MaskedLM", config.model, config.precision)
    return substitute(Filler(*loaded, config), items, seed=tools.seed, progress=tools.progress)


@dataclass(frozen=True)
class Word:
    """A word of a text.

    Attributes:
        start: Its first character.
        end: The character after its last.
        first: Its first token.
        pieces: Its tokens.
        candidates: Words that may replace it.
    """

    start: int
    end: int
    first: int
    pieces: int
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True)
class Turn:
    """Words that are masked at once, of the text number ``row``."""

    row: int
    words: tuple[Word, ...]


class Filler:
    """Finds candidates for the words of texts.

    Args:
        model: Masked language model.
        tokenizer: The model's own fast tokeniser.
        config: How many candidates, how large a batch, and where neighbours come from.

    Raises:
        RecipeError: The tokeniser has no mask token, or cannot say which piece belongs to which word.
    """

    def __init__(self, model: Model, tokenizer: Tokenizer, config: MlmConfig) -> None:
        from understudy.teachers.inputs import longest_input

        if tokenizer.mask_token_id is None or not tokenizer.is_fast:
            raise RecipeError(
                f"The tokeniser of {config.model!r} has no mask token, or no fast form: mlm needs both. "
                "Choose another model."
            )

        self.model, self.tokenizer, self.config = model, tokenizer, config
        self.longest = longest_input(tokenizer, model)
        self.ids, self.words = whole_words(tokenizer)
        self.embeddings: FloatArray = model.get_input_embeddings().weight.detach().float().cpu().numpy()

        known = (self.words, self.embeddings[self.ids])
        if config.vectors:
            known = read_first_vectors(config.vectors, MOST_VECTORS)
        self.vectors = Neighbours(*known, config.candidates)

    def fill(self, texts: Sequence[str]) -> list[list[Word]]:
        """The words of each text that may be replaced, with their candidates."""
        encoded = self.tokenizer(list(texts), truncation=True, max_length=self.longest)
        ids, lists = encoded["input_ids"], [find_words(encoded, row, text) for row, text in enumerate(texts)]

        filled = self._likeliest(ids, self._turns(lists))
        several = [(row, word) for row, words in enumerate(lists) for word in words if word.pieces > 1]
        filled.update(zip(several, self._neighbours(texts, ids, several), strict=True))

        return [
            [replace(word, candidates=words_for) for word in words if (words_for := filled[row, word])]
            for row, words in enumerate(lists)
        ]

    def _turns(self, lists: Sequence[Sequence[Word]]) -> list[Turn]:
        """Which words are masked at once: the words of one turn stand as far apart as possible."""
        turns = []
        for row, words in enumerate(lists):
            single = [word for word in words if word.pieces == 1]
            count = -(-len(single) // self.config.together)
            turns += [Turn(row, tuple(single[first::count])) for first in range(count)]
        return turns

    def _likeliest(self, ids: Ids, turns: Sequence[Turn]) -> dict[tuple[int, Word], tuple[str, ...]]:
        """Text and word → the likeliest words at its place."""
        import torch

        lengths = sizes([ids[turn.row] for turn in turns])
        best: dict[tuple[int, Word], tuple[str, ...]] = {}
        allowed = torch.from_numpy(self.ids).to(self.model.device)

        with torch.inference_mode():
            for batch in budgeted_batches(lengths, self.config.token_budget):
                chosen = [turns[number] for number in batch.tolist()]
                logits = self._logits_at(ids, chosen)[:, allowed]
                # One more than is wanted, since the word itself may be among them.
                top = logits.topk(min(self.config.candidates + 1, len(self.ids))).indices.cpu().tolist()

                places = [(turn.row, word) for turn in chosen for word in turn.words]
                for (row, word), likely in zip(places, top, strict=True):
                    own = ids[row][word.first]
                    others = [self.words[i] for i in likely if self.ids[i] != own]
                    best[row, word] = tuple(others[: self.config.candidates])

        return best

    def _logits_at(self, ids: Ids, turns: Sequence[Turn]) -> Tensor:
        """Logits ``(w, vocabulary)`` at the words of the turns; the last layer is run only there."""
        rows, fill = [ids[turn.row] for turn in turns], padding_id(self.tokenizer)
        block, mask = pad(rows, fill, self.model.device)
        lines = [line for line, turn in enumerate(turns) for _ in turn.words]
        columns = [word.first for turn in turns for word in turn.words]
        block[lines, columns] = self.tokenizer.mask_token_id

        def select(module: object, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:  # noqa: ARG001
            return (inputs[0][lines, columns], *inputs[1:])

        head = self.model.get_output_embeddings()
        hook = head.register_forward_pre_hook(select) if head is not None else None
        try:
            logits: Tensor = self.model(input_ids=block, attention_mask=mask).logits
        finally:
            if hook is not None:
                hook.remove()
        is_selected = logits.ndim == 2  # a model may have no such layer, or not call it
        return logits if is_selected else logits[lines, columns]

    def _neighbours(
        self, texts: Sequence[str], ids: Ids, places: Sequence[tuple[int, Word]]
    ) -> list[tuple[str, ...]]:
        """The nearest words to each word of several pieces."""
        if not places:
            return []
        if self.config.vectors:
            return self.vectors([texts[row][word.start : word.end] for row, word in places])

        means = [
            self.embeddings[ids[row][word.first : word.first + word.pieces]].mean(axis=0)
            for row, word in places
        ]
        queries = np.stack(means) / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
        near = self.vectors.nearest(queries.astype(np.float32))
        return [tuple(self.words[i] for i in row) for row in near.tolist()]


def whole_words(tokenizer: Tokenizer) -> tuple[IntArray, list[str]]:
    """Ids of the tokens that are words by themselves and have letters, and these words."""
    tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    # Byte-level and sentence-piece vocabularies mark where a word begins, WordPiece marks its further pieces.
    marks = tuple(mark for mark in ("Ġ", "▁") if sum(token.startswith(mark) for token in tokens) > 1)
    special = set(tokenizer.all_special_ids)

    ids, words = [], []
    for number, token in enumerate(tokens):
        if number in special or token.startswith("##") or (marks and not token.startswith(marks)):
            continue
        word = tokenizer.convert_tokens_to_string([token]).strip()
        if any(map(str.isalpha, word)) and all(letter.isalpha() or letter in "'-" for letter in word):
            ids.append(number)
            words.append(word)

    return np.array(ids, dtype=np.int64), words


def find_words(encoding: Any, row: int, text: str) -> list[Word]:
    """The words of one encoded text that have letters, as the tokeniser divides it into words.

    What touches an apostrophe is left out: ``n``, ``t`` and ``s`` of ``don't`` and ``it's`` are not words.
    """
    numbers = encoding.word_ids(row)
    words = []
    for number in dict.fromkeys(n for n in numbers if n is not None):
        span = encoding.word_to_chars(row, number)
        blank = len(text[span.start : span.end]) - len(text[span.start : span.end].lstrip())
        around = text[max(0, span.start + blank - 1) : span.end + 1]

        if any(map(str.isalpha, text[span.start : span.end])) and not _APOSTROPHES & set(around):
            first = numbers.index(number)
            words.append(Word(span.start + blank, span.end, first, numbers.count(number)))

    return words


def substitute(
    filler: Filler, items: Sequence[Item], *, seed: int, progress: Progress | None = None
) -> Iterator[list[Item]]:
    """Variants by a loaded model: one list for each `TEXTS` texts.

    Of pairs, the first text is changed, then the second, then both, and so on.
    """
    config = filler.config
    with (progress or Silent()).bar("masked language model", len(items), "texts") as advance:
        for start in range(0, len(items), TEXTS):
            block = items[start : start + TEXTS]
            generator = np.random.default_rng([seed, start])
            columns = sides(block)
            made = [_refill_all(filler, column, generator) for column in columns]
            yield _combine(columns, made, config.passes)
            advance(len(block))


def _refill_all(filler: Filler, texts: Sequence[str], generator: np.random.Generator) -> list[list[str]]:
    filled = zip(texts, filler.fill(texts), strict=True)
    return [refill(text, words, filler.config, generator) for text, words in filled]


def refill(text: str, words: Sequence[Word], config: MlmConfig, generator: np.random.Generator) -> list[str]:
    """``passes`` variants of one text; some may equal it."""
    hits = generator.random((config.passes, len(words))) < config.p
    draws = generator.random((config.passes, len(words)))

    variants = []
    for hit, draw in zip(hits, draws.tolist(), strict=True):
        parts, end = [], 0
        for place in np.flatnonzero(hit).tolist():
            word = words[place]
            chosen = word.candidates[int(draw[place] * len(word.candidates))]
            parts += [text[end : word.start], _in_case(chosen, text[word.start : word.end])]
            end = word.end
        variants.append("".join(parts) + text[end:])

    return variants


def _in_case(word: str, old: str) -> str:
    """The word in capitals, with a capital, or as it is, like the word that it replaces."""
    if old.isupper() and len(old) > 1:
        return word.upper()
    return word[0].upper() + word[1:] if old[0].isupper() else word


def _combine(
    columns: Sequence[Sequence[str]], made: Sequence[Sequence[Sequence[str]]], passes: int
) -> list[Item]:
    """Variants that differ from their text; of pairs, one side, the other, and both take turns."""
    if len(columns) == 1:
        return [v for text, row in zip(columns[0], made[0], strict=True) for v in row if v != text]
    pairs: list[Item] = []
    for old, new in zip(zip(*columns, strict=True), zip(*made, strict=True), strict=True):
        for number in range(passes):
            # Of three variants in turn, one changes the first text, one the second, one both.
            first = old[0] if number % 3 == 1 else new[0][number]
            second = old[1] if number % 3 == 0 else new[1][number]
            if (first, second) != old:
                pairs.append((first, second))

    return pairs
