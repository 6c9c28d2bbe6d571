import numpy as np
import pytest
import torch

from understudy.errors import RecipeError
from understudy.students import build, spec
from understudy.students.attn_bilstm import PRESETS, AttnBiLSTMConfig
from understudy.students.registry import count_parameters

NAME = "attn-bilstm.v1"


@pytest.mark.parametrize(
    ("preset", "form", "labels", "exact", "paper"),
    [
        # 30,522·100 + 8·64·166 + 4·128·129 + 512·257 + 5·128 + 129·2
        ("classification", "text", 2, 3_335_722, 3.35e6),
        # 30,522·128 + 8·64·194 + 2·(4·128·129 + 512·257 + 5·128) + 129·7
        ("tagging", "tokens", 7, 4_403_591, 4.38e6),
    ],
)
def test_has_the_papers_sizes(preset, form, labels, exact, paper):
    config = AttnBiLSTMConfig(**PRESETS[preset])
    assert spec(NAME).parameters(config, labels, form) == exact
    assert count_parameters(spec(NAME).module(config, labels, form)) == exact
    assert exact == pytest.approx(paper, rel=0.05)


@pytest.mark.parametrize("form", ["text", "tokens"])
@pytest.mark.parametrize(("layers", "blocks", "heads"), [(1, 1, 2), (2, 3, 5), (1, 2, 10)])
def test_onnx_answers_like_torch_at_any_sizes(
    make, batch_of, logits_of, onnx_of, form, layers, blocks, heads
):
    sizes = {"vocabulary_size": 30, "hidden": 10, "layers": layers, "blocks": blocks, "heads": heads}
    module = make(NAME, 4, form=form, **sizes)
    batch = batch_of((9,), 30)
    found = onnx_of(module)(batch).reshape(-1, 4)
    np.testing.assert_allclose(found, logits_of(module, batch), atol=1e-5, rtol=1e-5)


def test_features_of_a_text_are_those_of_its_first_word(make, batch_of):
    encoder, batch = make(NAME, vocabulary_size=30).encoder, batch_of((4, 1, 9), 30)
    with torch.inference_mode():
        torch.testing.assert_close(encoder(batch), encoder.tokens(batch)[batch.offsets])


def test_heads_divide_the_states():
    with pytest.raises(RecipeError, match="5 heads cannot share states of width 128"):
        build(NAME, 2, seed=0, heads=5)


def test_dropout_is_for_training_alone(make, batch_of):
    module, batch = make(NAME, vocabulary_size=30), batch_of((9, 4), 30)
    torch.testing.assert_close(module(batch), module(batch))  # to a tolerance: products of two calls
    module.train()
    assert not torch.equal(module(batch), module(batch))
