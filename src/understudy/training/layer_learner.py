"""A transformer student that learns its teacher's layers beside its answers (TinyBERT, Jiao et al. 2020)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from understudy.core.configs import TrainingConfig
from understudy.errors import RecipeError
from understudy.optim.layer_losses import States, layer_loss, layer_map
from understudy.students import Network, Ragged
from understudy.students.layers.ragged import real
from understudy.teachers.modules import body_of
from understudy.tokenization.words import PAD_ID


class LayerLearner(nn.Module):
    """A student with the maps from its widths to the teacher's; the maps are trained with it, then dropped.

    The teacher reads every batch anew: its layers take far more room than its logits, so none are kept.

    Args:
        student: A transformer that reads one text (or two in one).
        teacher: A transformer with ``states``, whose vocabulary is the student's.
        config: How the student is trained.
        seed: Seed of the maps' first weights.

    Raises:
        RecipeError: This student or this teacher has no layers to compare, or they read other tokens.
    """

    def __init__(self, student: Network, teacher: Any, config: TrainingConfig, seed: int) -> None:
        super().__init__()
        _check(student, teacher, config)
        self.student = student
        self.teacher = [teacher]  # in a list, so that its weights are not this module's
        sizes = body_of(teacher.module).config
        layer_map(student.config.layers, int(sizes.num_hidden_layers))
        own, other = student.config.width, int(sizes.hidden_size)
        generator = torch.Generator().manual_seed(seed)
        self.maps = nn.ParameterList(
            nn.Parameter(torch.randn(own, other, generator=generator) / own**0.5) for _ in range(2)
        )

    def forward(self, batch: Ragged) -> tuple[Tensor, Tensor]:
        """Logits ``(b, c)`` of the student, and the loss on layers ``(b,)``."""
        features, hidden, attentions = self.student.encoder.inside(batch)
        mask = real(batch).long()
        shown = self.teacher[0].states(_inputs(batch, mask, self.teacher[0].tokenizer))
        embedded, deeper = self.maps
        maps = [embedded, *[deeper] * (len(hidden) - 1)]
        loss = layer_loss(States(hidden, attentions), shown, mask, maps)
        return self.student.head(features), loss


def _check(student: Network, teacher: Any, config: TrainingConfig) -> None:
    if not hasattr(student.encoder, "inside") or student.form != "text":
        raise RecipeError(
            "loss.layers compares layers of transformers, but this student is none, or does not read one "
            "text at a time. Drop it, or choose a BERT."
        )
    if not hasattr(teacher, "states"):
        raise RecipeError("loss.layers needs a single transformer as the teacher: no other has such layers.")
    if config.vocabulary != "teacher":
        raise RecipeError(
            "loss.layers compares token by token, so the student must have the teacher's vocabulary "
            f"(--vocabulary teacher), not {config.vocabulary!r}."
        )


def _inputs(batch: Ragged, mask: Tensor, tokenizer: Any) -> dict[str, Tensor]:
    """The batch as the teacher reads it: its padding is where the student's vocabulary has id 0."""
    ids, pad = batch.padded(), tokenizer.pad_token_id
    if pad != PAD_ID:
        ids = torch.where(ids == PAD_ID, pad, torch.where(ids == pad, PAD_ID, ids))
    inputs = {"input_ids": ids, "attention_mask": mask}
    if "token_type_ids" in tokenizer.model_input_names:
        inputs["token_type_ids"] = torch.zeros_like(ids)
    return inputs
