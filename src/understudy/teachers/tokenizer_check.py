"""Whether a tokenizer belongs to its model, so that no teacher is asked about unknown tokens alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from understudy.core.items import shown
from understudy.core.task import IntArray, Item
from understudy.errors import TeacherError
from understudy.teachers.source import TOKENIZER_FILES, Source

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SMALLEST_SHARE = 0.5
"""Entries of a tokenizer for each row of the model's embeddings. Rows are padded to a round number, by a few
per cent at most; a tokenizer that was made up for want of its files has special tokens alone."""

PROBES = 64
"""Entries of the vocabulary that are tokenized again."""

MOSTLY = 0.5
"""Share of unknown tokens from which a vocabulary does not fit its own rule."""

HOPELESS, ENOUGH = 0.95, 1000
"""Share of unknown tokens from which a teacher cannot learn or teach anything, in so many tokens of texts."""


def check_tokenizer(source: Source, tokenizer: PreTrainedTokenizerBase, rows: int | None) -> None:
    """Refuse a tokenizer that is not the model's.

    Where its files are missing, the library makes up one that knows special tokens alone: every word would
    become the unknown token, and the teacher would answer all texts of a length alike.

    Args:
        source: The teacher.
        tokenizer: The tokenizer that the library loaded.
        rows: Rows of the model's embeddings, where its config names them.

    Raises:
        TeacherError: Its files are missing, it has far fewer entries than the model, or it does not know the
            entries of its own vocabulary.
    """
    folder, cure = (
        source.folder,
        "Copy the tokenizer's files (tokenizer.json, or vocab.txt and the like) there.",
    )
    if folder is not None and not any(
        path.is_file() for name in TOKENIZER_FILES for path in folder.glob(name)
    ):
        raise TeacherError(f"The folder {folder} of the teacher {source.name!r} has no tokenizer. {cure}")

    if getattr(tokenizer, "backend_tokenizer", None) is None:
        raise TeacherError(
            f"The tokenizer of the teacher {source.name!r} is a {type(tokenizer).__name__}, which has no "
            "tokenizer.json. Choose a teacher that has one, or convert this tokenizer to a fast one."
        )

    entries = tokenizer.get_vocab()
    if rows and len(entries) < SMALLEST_SHARE * rows:
        raise TeacherError(
            f"The tokenizer of the teacher {source.name!r} has {len(entries):,} entries, but the model has "
            f"{rows:,}: it belongs to another model, or its vocabulary is missing. {cure}"
        )

    share = _unknown_share(tokenizer, entries)
    if share > MOSTLY:
        raise TeacherError(
            f"The tokenizer of the teacher {source.name!r} makes unknown tokens of {share:.0%} of its own "
            f"vocabulary, so its files do not belong together. {cure}"
        )


def _unknown_share(tokenizer: PreTrainedTokenizerBase, entries: dict[str, int]) -> float:
    """Share of unknown tokens among those of entries from all over the vocabulary, each spelt as a text."""
    special = set(tokenizer.all_special_ids)
    ordinary = sorted(number for number in entries.values() if number not in special)
    if not ordinary:
        return 1.0
    if tokenizer.unk_token_id is None:
        return 0.0

    places = np.linspace(0, len(ordinary) - 1, min(PROBES, len(ordinary))).astype(int)
    texts = [tokenizer.decode([ordinary[place]]) for place in places]
    tokens = _flat(tokenizer(texts, add_special_tokens=False)["input_ids"])
    return float((tokens == tokenizer.unk_token_id).mean()) if len(tokens) else 0.0


def _flat(ids: Iterable[Sequence[int] | IntArray]) -> IntArray:
    return np.fromiter(chain.from_iterable(ids), dtype=np.int64)


def check_ids(
    name: str, tokenizer: PreTrainedTokenizerBase, ids: Sequence[Sequence[int] | IntArray], rows: int | None
) -> None:
    """Refuse token ids that the model has no embedding for.

    Args:
        name: What the user calls the teacher.
        tokenizer: The teacher's tokenizer.
        ids: One list of token ids per sequence.
        rows: Rows of the model's embeddings; ``None`` where they are unknown.

    Raises:
        TeacherError: The message shows the first such token.
    """
    if rows is None or len(tokenizer) <= rows:
        return
    highest = max((max(sequence) for sequence in ids if len(sequence)), default=-1)
    if highest >= rows:
        raise TeacherError(
            f"The tokenizer of the teacher {name!r} has {len(tokenizer):,} entries, but the model has "
            f"embeddings for {rows:,}: {tokenizer.convert_ids_to_tokens(int(highest))!r} has none. They "
            "belong to different models; fetch both from one place."
        )


def check_is_known(
    name: str,
    tokenizer: PreTrainedTokenizerBase,
    ids: Sequence[Sequence[int] | IntArray],
    items: Sequence[Item],
) -> None:
    """Refuse texts of which the tokenizer knows next to nothing, where they are enough to judge by.

    Args:
        name: What the user calls the teacher.
        tokenizer: The teacher's tokenizer.
        ids: One list of token ids per sequence, special tokens included.
        items: The texts, for the message.

    Raises:
        TeacherError: Nearly all tokens are unknown.
    """
    unknown = tokenizer.unk_token_id
    if unknown is None or sum(map(len, ids)) < ENOUGH:
        return
    flat = _flat(ids)
    special = [number for number in tokenizer.all_special_ids if number != unknown]
    words = flat[~np.isin(flat, special)]
    share = float((words == unknown).mean()) if len(words) else 0.0
    if share > HOPELESS:
        raise TeacherError(
            f"The teacher {name!r} knows almost no word of these texts: {share:.0%} of their tokens are "
            f"unknown to its tokenizer, as in {shown(items[0])[:60]!r}. Its tokenizer belongs to another "
            "model or another language. Restore the tokenizer's files, or choose another teacher."
        )
