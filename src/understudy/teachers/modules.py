"""The torch modules of a teacher: an encoder with a head, and what goes on inside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from understudy.errors import TeacherError
from understudy.optim.layer_losses import States

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class MeanPooled(nn.Module):
    """An encoder body, the mean over its real tokens, dropout, and a linear head.

    Args:
        body: The encoder.
        labels: Number of logits, c.
    """

    def __init__(self, body: nn.Module, labels: int) -> None:
        super().__init__()
        self.body = body
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(int(body.config.hidden_size), labels)  # type: ignore[union-attr, arg-type]

    def features(self, **inputs: Tensor) -> Tensor:
        """The mean over real tokens ``(b, d)`` of ``input_ids`` and ``attention_mask``, both ``(b, t)``."""
        states = self.body(**inputs).last_hidden_state
        mask = inputs["attention_mask"].unsqueeze(-1).to(states.dtype)
        mean: Tensor = (states * mask).sum(dim=1) / mask.sum(dim=1)
        return mean

    def forward(self, **inputs: Tensor) -> Tensor:
        """Logits ``(b, c)`` of ``input_ids`` and ``attention_mask``, both ``(b, t)``."""
        logits: Tensor = self.head(self.dropout(self.features(**inputs)))
        return logits


class Headed(nn.Module):
    """An encoder with the head that its own library gives it: on the first token, or (tagging) on every one.

    Args:
        model: The model that `AutoModelForSequenceClassification` or `AutoModelForTokenClassification` gives.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, **inputs: Tensor) -> Tensor:
        """Logits ``(b, c)``, or ``(b, t, c)`` in tagging."""
        logits: Tensor = self.model(**inputs).logits
        return logits


def body_of(module: object) -> PreTrainedModel:
    """The encoder without its head.

    Raises:
        TeacherError: The module does not hold a model of `transformers`.
    """
    from transformers import PreTrainedModel

    for part in module.modules() if isinstance(module, nn.Module) else ():
        if isinstance(part, PreTrainedModel):
            return part.base_model
    raise TeacherError(
        f"This teacher ({type(module).__name__}) is not a transformer, so it has no encoder and no word "
        "vectors to give. Choose a transformer, or leave the option out."
    )


def embedding_rows(module: nn.Module) -> int | None:
    """Tokens that the encoder has embeddings for; ``None`` for a module that is not a transformer."""
    try:
        table = body_of(module).get_input_embeddings()
    except TeacherError:
        return None
    return int(table.weight.shape[0])


def states_of(module: nn.Module, inputs: Mapping[str, Tensor]) -> States:
    """Hidden states and attentions of a padded batch, in evaluation mode and without gradients.

    Fast kernels of attention never form its matrix, so the plain form computes it here, and here alone.
    """
    body = body_of(module)
    usual = body.config._attn_implementation  # noqa: SLF001 -- the library has a setter but no getter
    body.set_attn_implementation("eager")
    try:
        with torch.no_grad():
            output = body(**inputs, output_hidden_states=True, output_attentions=True)
    finally:
        body.set_attn_implementation(usual)
    return States(tuple(output.hidden_states), tuple(output.attentions))


def last_layer(module: nn.Module, labels: int) -> nn.Linear:
    """The linear layer of the head that gives the logits, whatever the library calls it."""
    layers = [m for m in module.modules() if isinstance(m, nn.Linear) and m.out_features == labels]
    return layers[-1]
