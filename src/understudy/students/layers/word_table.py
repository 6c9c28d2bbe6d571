"""Where a student keeps its words' vectors, so that others can give it better ones than random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from understudy.core.task import FloatArray, IntArray
from understudy.errors import RecipeError
from understudy.tokenization.words import PAD_ID

HALVED_AT = 1e-3
"""A word with this share of all words counts half: ``a`` of Arora et al. 2017, section 3."""


@dataclass(frozen=True)
class WordTable:
    """The vectors of an encoder's words, within a parameter that may hold more.

    Attributes:
        weight: ``(v, entries)``, one row a word.
        first: Entry of a row at which the word's vector begins; what stands before is something else.
        width: Entries of a vector; ``None`` takes the rest of the row.
        is_weighed: Whether the student weighs its words by their frequency, so that vectors need not.
        frozen: ``(v, d)``, a second table that starts alike and is never trained, where there is one.
    """

    weight: Tensor
    first: int = 0
    width: int | None = None
    is_weighed: bool = False
    frozen: Tensor | None = None

    @property
    def vectors(self) -> Tensor:
        """A view ``(v, d)`` of the vectors, without gradients."""
        stop = None if self.width is None else self.first + self.width
        return self.weight.detach()[:, self.first : stop]

    def fill(self, table: FloatArray) -> None:
        """Overwrite the vectors in place, the padding's with zeros.

        Args:
            table: ``(v, d)``; where it has fewer rows, those that follow are left as they are.

        Raises:
            RecipeError: The shape is another one.
        """
        rows, width = self.vectors.shape
        if len(table) > rows or table.shape[1:] != (width,):
            raise RecipeError(f"Vectors {table.shape} do not fit a word table {tuple(self.vectors.shape)}.")
        for vectors in (self.vectors, *(() if self.frozen is None else (self.frozen,))):
            vectors[: len(table)].copy_(torch.from_numpy(np.ascontiguousarray(table)))
            vectors[PAD_ID] = 0.0

    def freeze(self) -> None:
        """Let training leave the vectors as they are: no gradient, so no step and no weight decay.

        Raises:
            RecipeError: The parameter holds more than vectors, which must be trained.
        """
        if self.first or self.width is not None:
            raise RecipeError(
                "The word vectors cannot be frozen: they share their table with other weights of the words, "
                "which must be trained. Train them, too, or choose a student with a table of vectors alone."
            )
        self.weight.requires_grad_(False)


def sif_weights(counts: IntArray, a: float = HALVED_AT) -> FloatArray:
    """``a / (a + p)`` ``(v,)``, with p the share of each count: smooth inverse frequency."""
    share = counts / max(int(counts.sum()), 1)
    return np.asarray(a / (a + share), dtype=np.float32)
