"""The torch modules of a teacher: an encoder with a head, and what goes on inside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from understudy.optim.layer_losses import States


class MeanPooled(nn.Module):
    """An encoder body, the mean over its real tokens, dropout, and a linear head.

    Args:
        body: the encoder.
        labels: number of logits, c.
    """

    def __init__(self, body: nn.Module, labels: int) -> None:
        super().__init__()
        self.body = body
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(int(body.config.hidden_size), labels)  # type: ignore[union-attr, arg-type]

    def forward(self, **inputs: Tensor) -> Tensor:
        """Logits ``(b, c)`` of ``input_ids`` and ``attention_mask``, both ``(b, t)``."""
        states = self.body(**inputs).last_hidden_state
        mask = inputs["attention_mask"].unsqueeze(-1).to(states.dtype)
        mean = (states * mask).sum(dim=1) / mask.sum(dim=1)
        logits: Tensor = self.head(self.dropout(mean))
        return logits


class Headed(nn.Module):
    """An encoder with the head that its own library gives it: on the first token, or (tagging) on every one.

    Args:
        model: as `AutoModelForSequenceClassification` or `AutoModelForTokenClassification` returns it.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, **inputs: Tensor) -> Tensor:
        """Logits ``(b, c)``, or ``(b, t, c)`` in tagging."""
        logits: Tensor = self.model(**inputs).logits
        return logits


def body_of(module: nn.Module) -> Any:
    """The encoder without its head."""
    return module.body if isinstance(module, MeanPooled) else module.model.base_model  # type: ignore[union-attr]


def states_of(module: nn.Module, inputs: Mapping[str, Tensor]) -> States:
    """Hidden states and attentions of a padded batch, in evaluation mode and without gradients.

    Fast kernels of attention never form its matrix, so the plain form computes it here, and here alone.
    """
    body = body_of(module)
    usual = body.config._attn_implementation  # noqa: SLF001 -- the library has a setter, and no getter
    body.set_attn_implementation("eager")
    try:
        with torch.no_grad():
            found = body(**inputs, output_hidden_states=True, output_attentions=True)
    finally:
        body.set_attn_implementation(usual)
    return States(tuple(found.hidden_states), tuple(found.attentions))


def last_layer(module: nn.Module, labels: int) -> nn.Linear:
    """The linear layer of the head that gives the logits, whatever the library calls it."""
    layers = [m for m in module.modules() if isinstance(m, nn.Linear) and m.out_features == labels]
    return layers[-1]
