"""Load language models with their tokenisers, put texts into batches, and run on the accelerator if any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import transformers
from safetensors import SafetensorError
from torch import Tensor

from understudy.core.task import IntArray
from understudy.errors import RecipeError
from understudy.teachers.loading import quiet

Ids = Sequence[Sequence[int]]
"""Token ids of texts, a row for each."""

IGNORED = -100
"""Stands for a token that no loss is taken of."""

TEXTS = 512
"""Texts that are worked on together: those of like length among them share batches."""


def load(step: str, kind: str, name: str, precision: str = "float32") -> tuple[Any, Any]:
    """A model in evaluation mode and its tokeniser.

    Args:
        step: that needs it, for the message.
        kind: ``MaskedLM``, ``CausalLM`` or ``Seq2SeqLM``.
        name: folder or hub id.
        precision: of its weights: ``float32``, or ``bfloat16`` for a model that is not trained.

    Raises:
        RecipeError: it cannot be loaded, or is a model of another kind.
    """
    try:
        with quiet():
            model = getattr(transformers, f"AutoModelFor{kind}").from_pretrained(
                name, dtype=getattr(torch, precision), trust_remote_code=False
            )
            tokenizer = transformers.AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        first = str(error).strip().splitlines()[0]
        raise RecipeError(
            f"The model {name!r} of the step {step!r} cannot be loaded as {kind}: {first} Give a hub id or a "
            "folder with such a model and its tokeniser."
        ) from error
    return model.eval().to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer


def pad(rows: Ids, fill: int, device: torch.device, *, left: bool = False) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask, both ``(b, t)`` int64; padding stands to the right, or to the left."""
    width = max(map(len, rows))
    ids = np.full((len(rows), width), fill, dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for line, row in enumerate(rows):
        place = slice(width - len(row), width) if left else slice(0, len(row))
        ids[line, place] = row
        mask[line, place] = 1
    return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)


def sizes(rows: Ids) -> IntArray:
    """Tokens of each row ``(n,)``."""
    return np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))


def longest(model: Any, most: int) -> int:
    """Tokens that a model reads and writes, at most ``most``."""
    limit = getattr(model.config, "max_position_embeddings", None)
    return min(most, limit) if isinstance(limit, int) and limit > 0 else most
