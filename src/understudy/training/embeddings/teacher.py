"""Word vectors of a transformer: its own input embeddings, or what it makes of each word by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from understudy.data.readers.vectors import Vectors
from understudy.teachers.modules import body_of
from understudy.tokenization.batching import budgeted_batches
from understudy.tokenization.wordpiece import PREFIX, BaseVocabulary
from understudy.tokenization.words import MASK, PAD_ID, UNK
from understudy.training.embeddings.vocabulary import MARKS, entries, marks_words

LONGEST = 32
"""Pieces of a word that are read."""

TOKEN_BUDGET = 640
"""Tokens a batch."""


def input_vectors(teacher: Any, vocabulary: BaseVocabulary) -> Vectors:
    """For each entry of a vocabulary, the mean of the teacher's input embeddings of its pieces.

    Args:
        teacher: A teacher that is a transformer, with its ``module`` and ``tokenizer``.
        vocabulary: The student's vocabulary.

    Raises:
        TeacherError: The teacher is not a transformer.
    """
    body = body_of(getattr(teacher, "module", None))
    table = body.get_input_embeddings().weight.detach().float().numpy()
    spelt = pieces(teacher.tokenizer, vocabulary)
    rows = np.zeros((len(spelt), table.shape[1]), dtype=np.float32)
    for row, ids in enumerate(spelt):
        if ids:
            rows[row] = table[ids].mean(axis=0)
    return Vectors(rows, np.array([bool(ids) for ids in spelt]))


def output_vectors(teacher: Any, vocabulary: BaseVocabulary) -> Vectors:
    """For each entry of a vocabulary, the teacher's last hidden states of it alone, averaged over its pieces.

    Each entry is a text of its own with the special tokens that the teacher wants around it; these are read
    by its attention, and left out of the mean.

    Args:
        teacher: A teacher that is a transformer, with its ``module`` and ``tokenizer``.
        vocabulary: The student's vocabulary.

    Raises:
        TeacherError: The teacher is not a transformer.
    """
    body, padding = body_of(getattr(teacher, "module", None)), teacher.tokenizer.pad_token_id or 0
    before, after = _frame(teacher.tokenizer)
    spelt = pieces(teacher.tokenizer, vocabulary)
    known = np.flatnonzero([bool(ids) for ids in spelt])
    lengths = np.array([len(spelt[row]) for row in known], dtype=np.int64)
    rows = np.zeros((len(spelt), int(body.config.hidden_size)), dtype=np.float32)
    with torch.inference_mode():
        for batch in budgeted_batches(lengths + len(before) + len(after), TOKEN_BUDGET):
            texts = [[*before, *spelt[row], *after] for row in known[batch]]
            states = _states(body, texts, padding)[:, len(before) :]
            is_own = torch.arange(states.shape[1]) < torch.from_numpy(lengths[batch])[:, None]
            total = (states * is_own[..., None]).sum(dim=1)
            rows[known[batch]] = (total / is_own.sum(dim=1, keepdim=True)).numpy()
    return Vectors(rows, np.array([bool(ids) for ids in spelt]))


def pieces(tokenizer: Any, vocabulary: BaseVocabulary) -> list[list[int]]:
    """The teacher's ids of each entry of a vocabulary, none for padding and for what it does not know.

    An entry that is a piece of the teacher's own is that piece. All others are tokenised as words inside a
    text are; a piece that continues a word, without the space before it.
    """
    words, known = entries(vocabulary), tokenizer.get_vocab()
    is_alike = vocabulary.kind == "pieces" and marks_words(words) == marks_words(list(known))
    special = {UNK: tokenizer.unk_token, MASK: tokenizer.mask_token}
    space = " " if any(piece.startswith("Ġ") for piece in known) else ""
    found: list[list[int]] = [[] for _ in words]
    asked: dict[int, str] = {}
    for row, word in enumerate(words):
        own = special.get(word, word)
        if row == PAD_ID or not own:
            continue
        if word in special or (is_alike and own in known):
            found[row] = [known[own]]
        else:
            asked[row] = word.removeprefix(PREFIX) if word.startswith(PREFIX) else space + word.lstrip(MARKS)

    for row, ids in zip(asked, _tokenised(tokenizer, list(asked.values())), strict=True):
        is_known = any(number != tokenizer.unk_token_id for number in ids)
        found[row] = ids[:LONGEST] if is_known else []
    return found


def _tokenised(tokenizer: Any, words: Sequence[str]) -> list[list[int]]:
    if not words:
        return []
    ids: list[list[int]] = tokenizer(list(words), add_special_tokens=False)["input_ids"]
    return ids


def _frame(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The special tokens that stand before and after a text."""
    inside = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    for start in range(len(whole) - len(inside) + 1):
        if whole[start : start + len(inside)] == inside:
            return whole[:start], whole[start + len(inside) :]
    return [], []


def _states(body: Any, texts: Sequence[Sequence[int]], padding: int) -> Tensor:
    """Last hidden states ``(b, t, d)``, float32."""
    longest = max(map(len, texts))
    ids = torch.tensor([[*text, *[padding] * (longest - len(text))] for text in texts])
    mask = torch.tensor([[1] * len(text) + [0] * (longest - len(text)) for text in texts])
    states: Tensor = body(input_ids=ids, attention_mask=mask).last_hidden_state
    return states.float()
