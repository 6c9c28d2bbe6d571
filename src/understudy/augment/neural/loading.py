"""Load language models with their tokenisers, put texts into batches, and run on the accelerator if any.

Torch is imported where it is called: a step's file, and all that it imports, is read whenever steps are
looked up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from understudy.core.task import IntArray
from understudy.errors import RecipeError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Model = Any
"""A model of `transformers`, whose methods have no types."""

Tokenizer = Any
"""A tokeniser of `transformers`."""

Ids = Sequence[Sequence[int]]
"""Token ids of texts, a row for each."""

IGNORED = -100
"""Stands for a token that does not count in the loss."""

TEXTS = 512
"""Texts that are worked on together: those of similar length among them share batches."""


def load(step: str, kind: str, name: str, precision: str = "float32") -> tuple[Model, Tokenizer]:
    """A model in evaluation mode and its tokeniser.

    Args:
        step: Name of the step that needs it, for the message.
        kind: ``MaskedLM``, ``CausalLM`` or ``Seq2SeqLM``.
        name: Folder or hub id.
        precision: Type of its weights: ``float32``, or ``bfloat16`` for a model that is not trained.

    Raises:
        RecipeError: It cannot be loaded, brings code of its own, is a model of another kind, or does not fit
            its tokeniser.
    """
    import torch
    import transformers

    from understudy.teachers.loading import quiet

    family = getattr(transformers, f"AutoModelFor{kind}")
    safe = {"trust_remote_code": False}  # else the library asks on the terminal, and `y` runs the code
    try:
        with quiet():
            model = family.from_pretrained(name, dtype=getattr(torch, precision), **safe)
            tokenizer = transformers.AutoTokenizer.from_pretrained(name, **safe)
    except MemoryError:
        raise
    except Exception as error:  # each file format has errors of its own, such as those of pickled weights
        if "trust_remote_code" in str(error):
            raise RecipeError(
                f"The model {name!r} of the step {step!r} brings Python code of its own, which is never run. "
                "Choose another model."
            ) from error
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise RecipeError(
            f"The model {name!r} of the step {step!r} cannot be loaded as {kind}: {lines[0]} Give a hub id "
            "or a folder with such a model and its tokeniser."
        ) from error

    rows = model.get_input_embeddings().weight.shape[0]
    if tokenizer.vocab_size > rows:
        raise RecipeError(
            f"The model {name!r} of the step {step!r} knows {rows:,} tokens, but its tokeniser makes "
            f"{tokenizer.vocab_size:,}: they do not belong together. Fetch both again from one place."
        )
    return model.eval().to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer


def padding_id(tokenizer: Tokenizer) -> int:
    """Id of padding; a tokeniser without one, such as GPT-2's, pads with its end token, under the mask."""
    number = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    return int(number or 0)


def pad(rows: Ids, fill: int, device: torch.device, *, left: bool = False) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask, both ``(b, t)`` int64; padding is on the right, or on the left."""
    import torch

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


def longest(model: Model, most: int) -> int:
    """Tokens that a model reads and writes, at most ``most``."""
    limit = getattr(model.config, "max_position_embeddings", None)
    return min(most, limit) if isinstance(limit, int) and limit > 0 else most
