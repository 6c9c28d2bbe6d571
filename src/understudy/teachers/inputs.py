"""Items as a transformer's token ids, and where among them the rows of its answers stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from understudy.core.items import rows_of
from understudy.core.task import IntArray, Item
from understudy.tokenization.windows import windows

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LONGEST = 512
"""How many tokens of a text are read, unless the model reads fewer."""


@dataclass(frozen=True)
class TransformerInputs:
    """Sequences of token ids, s of them: one per item, or in tagging one per window of a sentence.

    Attributes:
        inputs: Lists of ids under the name of each input, one list per sequence.
        lengths: ``(s,)`` tokens of each sequence.
        pad: Id that fills a batch.
        places: In tagging, ``(rows,)`` the position of each word's first piece in its sequence.
        counts: ``(s,)`` rows that each sequence answers; rows and sequences are in one order.
    """

    inputs: Mapping[str, Sequence[Sequence[int] | IntArray]]
    lengths: IntArray
    pad: int
    counts: IntArray
    places: IntArray | None = None

    def batch(self, picked: IntArray) -> dict[str, Tensor]:
        """The sequences with the given numbers, padded: name → ``(b, t)`` int64."""
        longest = int(self.lengths[picked].max())
        padded = {}
        for name, values in self.inputs.items():
            fill = self.pad if name == "input_ids" else 0
            block = np.full((len(picked), longest), fill, dtype=np.int64)
            for line, number in enumerate(picked):
                block[line, : self.lengths[number]] = values[number]
            padded[name] = torch.from_numpy(block)
        return padded

    def rows(self, picked: IntArray) -> IntArray:
        """The rows that these sequences answer, in their order: ``(r,)``."""
        return rows_of(picked, self.counts)

    def answers(self, output: Tensor, picked: IntArray) -> Tensor:
        """A module's output for a batch of sequences ``->`` logits ``(r, c)`` of the `rows`.

        Args:
            output: ``(b, c)``, which is returned as it is, or ``(b, t, c)`` in tagging.
            picked: Numbers of the batch's sequences.
        """
        if self.places is None:
            return output
        lines = np.repeat(np.arange(len(picked)), self.counts[picked])
        return output[torch.from_numpy(lines), torch.from_numpy(self.places[self.rows(picked)])]


def encode(tokenizer: PreTrainedTokenizerBase, items: Sequence[Item], longest: int) -> TransformerInputs:
    """Tokenize texts, or pairs of texts jointly, special tokens included, each cut to ``longest`` tokens.

    Of a pair that is too long the longer text is cut first. Token types are given where the family has them.
    """
    first = [item if isinstance(item, str) else item[0] for item in items]
    second = [item[1] for item in items if not isinstance(item, str)]
    columns = [first, *([second] if second else [])]
    inputs = dict(tokenizer(*columns, truncation=True, max_length=longest)) if first else {}
    lengths = np.array([len(ids) for ids in inputs.get("input_ids", [])], dtype=np.int64)
    return TransformerInputs(inputs, lengths, tokenizer.pad_token_id or 0, np.ones_like(lengths))


def encode_words(
    tokenizer: PreTrainedTokenizerBase, sentences: Sequence[Item], longest: int
) -> TransformerInputs:
    """Tokenize sentences that are split into words; a longer one is read in windows that overlap.

    No word is left out: one without any piece becomes the unknown piece. Only the first piece of a word
    answers for it, so a word with more pieces than the model reads keeps as many as fit.

    Args:
        tokenizer: The model's tokenizer.
        sentences: The words of each sentence.
        longest: Greatest number of tokens in a window, special ones included.
    """
    before, after = _specials(tokenizer)
    limit = longest - len(before) - len(after)
    ids, sizes = _pieces(tokenizer, sentences, limit)
    ends = np.cumsum(sizes)
    begins = ends - sizes

    sequences, counts, places = [], [], []
    for start, stop, first, last in _all_windows(sentences, sizes, limit):
        low = int(begins[start]) if start < stop else 0
        high = int(ends[stop - 1]) if start < stop else 0
        sequences.append(np.concatenate([before, ids[low:high], after]))
        counts.append(last - first)
        places.append(begins[first:last] - low + len(before))

    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    inputs = {
        "input_ids": sequences,
        "attention_mask": [np.ones(length, dtype=np.int64) for length in lengths],
        "token_type_ids": [np.zeros(length, dtype=np.int64) for length in lengths],
    }
    return TransformerInputs(
        {name: rows for name, rows in inputs.items() if name in tokenizer.model_input_names},
        lengths,
        tokenizer.pad_token_id or 0,
        np.array(counts, dtype=np.int64),
        np.concatenate([np.zeros(0, dtype=np.int64), *places]),
    )


def longest_input(tokenizer: PreTrainedTokenizerBase, module: nn.Module) -> int:
    """The greatest number of tokens that the model reads of a text."""
    limits = [LONGEST, int(tokenizer.model_max_length)]
    config = next((m.config for m in module.modules() if hasattr(m, "config")), None)
    positions = getattr(config, "max_position_embeddings", None)
    if isinstance(positions, int) and positions > 0:
        # Families that follow RoBERTa number positions from the padding id + 1, and say so in the table.
        tables = (m for name, m in module.named_modules() if name.endswith("position_embeddings"))
        padding = next((getattr(table, "padding_idx", None) for table in tables), None)
        limits.append(positions if padding is None else positions - padding - 1)
    return min(limits)


def _specials(tokenizer: PreTrainedTokenizerBase) -> tuple[IntArray, IntArray]:
    """What the model's rule puts before and after a text."""
    probe = tokenizer("a", return_special_tokens_mask=True)
    ids, is_special = np.array(probe["input_ids"], dtype=np.int64), np.array(probe["special_tokens_mask"])
    text = np.flatnonzero(is_special == 0)
    return ids[: text[0]], ids[text[-1] + 1 :]


def _pieces(
    tokenizer: PreTrainedTokenizerBase, sentences: Sequence[Item], limit: int
) -> tuple[IntArray, IntArray]:
    """Ids of all words' pieces end to end, and how many each word has: ``(pieces,), (words,)``, each ≥ 1."""
    rule = tokenizer.backend_tokenizer
    rule.no_truncation()
    rule.no_padding()
    # A byte-level rule tells the start of a word by the space before it.
    is_spaced = "ByteLevel" in str(rule.pre_tokenizer)
    spelt = [[" " + word for word in words] if is_spaced else list(words) for words in sentences]
    encodings = rule.encode_batch(spelt, is_pretokenized=True, add_special_tokens=False)

    # The word that each piece belongs to, numbered over all sentences.
    words = np.array([len(sentence) for sentence in sentences], dtype=np.int64)
    none = np.zeros(0, dtype=np.int64)
    ids = np.concatenate([none, *(np.array(each.ids, dtype=np.int64) for each in encodings)])
    numbers = [np.array(each.word_ids, dtype=np.int64) for each in encodings]
    owners = np.concatenate(
        [none, *(n + start for n, start in zip(numbers, np.cumsum(words) - words, strict=True))]
    )

    # A word without pieces gets the unknown one.
    sizes = np.bincount(owners, minlength=int(words.sum()))
    empty = np.flatnonzero(sizes == 0)
    unknown = tokenizer.pad_token_id if tokenizer.unk_token_id is None else tokenizer.unk_token_id
    places = np.searchsorted(owners, empty)
    ids, owners = np.insert(ids, places, unknown or 0), np.insert(owners, places, empty)

    # A word with more pieces than the model reads loses the last ones.
    starts = np.searchsorted(owners, owners)
    is_kept = np.arange(len(owners)) - starts < limit
    sizes = np.minimum(np.maximum(sizes, 1), limit)
    return ids[is_kept], sizes.astype(np.int64)


def _all_windows(
    sentences: Sequence[Item], sizes: IntArray, limit: int
) -> Iterator[tuple[int, int, int, int]]:
    """The windows of all sentences, in numbers of words among those of all."""
    start = 0
    for sentence in sentences:
        pieces = sizes[start : start + len(sentence)]
        for window in windows(pieces, limit):
            yield tuple(start + number for number in window)  # type: ignore[misc]
        start += len(sentence)
