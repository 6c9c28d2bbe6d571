import json

import numpy as np
import pytest
import torch
import transformers

from understudy.errors import ArtifactError, RecipeError
from understudy.students import Ragged, build, spec
from understudy.students.bert import POSITIONS, checkpoint_vocabulary
from understudy.students.registry import count_parameters

SMALL = {"vocabulary_size": 30, "width": 8, "heads": 2, "feed_forward": 12}


@pytest.mark.parametrize(
    ("name", "exact", "published"),
    [
        # d = 128: (30,522 + 516)·d + 2·(4·d·(d + 1) + 512·(2·d + 1) + 5·d) + (d + 1)·d + (d + 1)·2
        ("bert-tiny.v1", 4_386_178, 4.40e6),
        ("bert-mini.v1", 11_171_074, 11.19e6),
        ("bert-small.v1", 28_764_674, 28.81e6),
    ],
)
def test_has_the_published_size(name, exact, published):
    with torch.device("meta"):
        module = spec(name).module(spec(name).config(), 2)
    assert count_parameters(module) == spec(name).parameters(module.config, 2) == exact
    assert exact == pytest.approx(published, rel=0.01)


@pytest.mark.parametrize("pooling", ["mean", "first"])
@pytest.mark.parametrize(("layers", "heads"), [(1, 1), (3, 4)])
def test_onnx_answers_like_torch_at_any_sizes(make, batch_of, logits_of, onnx_of, pooling, layers, heads):
    module = make("bert-tiny.v1", **{**SMALL, "layers": layers, "heads": heads, "pooling": pooling})
    batch = batch_of((7, 1, 22), 30)
    np.testing.assert_allclose(onnx_of(module)(batch), logits_of(module, batch), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["bert-tiny.v1", "bert-mini.v1", "bert-small.v1"])
def test_onnx_answers_like_torch_in_full_size(name, batch_of, logits_of, onnx_of):
    module, batch = build(name, 4, seed=0, vocabulary_size=50).eval(), batch_of((3, 77, 1), 50)
    np.testing.assert_allclose(onnx_of(module)(batch), logits_of(module, batch), atol=1e-5, rtol=1e-5)


def test_first_and_mean_of_a_text_by_hand(make, batch_of):
    batch = batch_of((3, 1), 30)
    features = {}
    for pooling in ("first", "mean"):
        encoder = make("bert-tiny.v1", **SMALL, pooling=pooling).encoder
        with torch.inference_mode():
            every, features[pooling] = encoder.tokens(batch), encoder(batch)
    torch.testing.assert_close(features["first"], every[[0, 3]])
    torch.testing.assert_close(features["mean"], torch.stack([every[:3].mean(dim=0), every[3]]))


def test_reads_word_order(make, logits_of):
    module, lengths = make("bert-tiny.v1", **SMALL), torch.tensor([4])
    one = logits_of(module, Ragged(torch.tensor([3, 4, 5, 6]), lengths))
    other = logits_of(module, Ragged(torch.tensor([6, 5, 4, 3]), lengths))
    assert np.abs(one - other).max() > 1e-3


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"pooling": "max"}, "Unknown pooling 'max'"),
        ({"max_words": 513}, "max_words is 513, but must lie between 1 and 512"),
        ({"max_words": 0}, "max_words is 0"),
        ({"heads": 3}, "3 heads cannot share a width of 128"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(sizes, message):
    with pytest.raises(RecipeError, match=message):
        build("bert-tiny.v1", 2, seed=0, **sizes)


@pytest.fixture
def student():
    return build("bert-tiny.v1", 2, seed=0, **SMALL).eval()


@pytest.fixture
def checkpoint(tmp_path):
    """kind of model, sizes that are other than the student's → a folder with random weights."""

    def write(kind="BertModel", **other):
        sizes = {
            "vocab_size": 30,
            "hidden_size": 8,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 12,
            "max_position_embeddings": POSITIONS,
            "initializer_range": 0.5,
        }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            model = getattr(transformers, kind)(transformers.BertConfig(**{**sizes, **other})).eval()
        model.save_pretrained(tmp_path / "checkpoint")
        return model, tmp_path / "checkpoint"

    return write


@pytest.mark.parametrize("kind", ["BertModel", "BertForMaskedLM", "BertForSequenceClassification"])
def test_an_encoder_filled_from_a_checkpoint_answers_like_it(student, checkpoint, batch_of, kind, capsys):
    model, folder = checkpoint(kind)
    batch = batch_of((5,), 30)
    capsys.readouterr()  # of the library that wrote the folder
    student.encoder.load_checkpoint(folder)
    with torch.inference_mode():
        expected = getattr(model, "bert", model)(batch.ids[None]).last_hidden_state[0]
        torch.testing.assert_close(student.encoder.tokens(batch), expected)
    assert capsys.readouterr() == ("", "")


def test_a_checkpoint_of_other_sizes_is_refused_by_what_differs(student, checkpoint):
    before = {key: value.clone() for key, value in student.state_dict().items()}
    _, folder = checkpoint(vocab_size=31, num_hidden_layers=1)
    with pytest.raises(
        RecipeError, match=r"does not fit this student: vocabulary_size 31 \(here 30\), layers 1 \(here 2\)\."
    ):
        student.encoder.load_checkpoint(folder)
    assert all(torch.equal(value, before[key]) for key, value in student.state_dict().items())


def test_what_is_no_bert_is_refused(student, write_model):
    with pytest.raises(ArtifactError, match="is a 'roberta', not a 'bert'"):
        student.encoder.load_checkpoint(write_model("roberta"))


def test_a_missing_folder_is_refused(student, tmp_path):
    with pytest.raises(ArtifactError, match="No checkpoint can be read from"):
        student.encoder.load_checkpoint(tmp_path / "nowhere")


def test_a_folder_without_weights_is_refused(student, checkpoint):
    _, folder = checkpoint()
    (folder / "model.safetensors").unlink()
    with pytest.raises(ArtifactError, match="No checkpoint can be read from"):
        student.encoder.load_checkpoint(folder)


def test_a_checkpoint_that_lacks_weights_is_refused(student, checkpoint):
    _, folder = checkpoint(num_hidden_layers=1)
    facts = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**facts, "num_hidden_layers": 2}), encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"has no weights for .*layer\.1"):
        student.encoder.load_checkpoint(folder)


def test_a_student_starts_from_a_checkpoint(checkpoint, batch_of):
    model, folder = checkpoint()
    module, random = (
        build("bert-tiny.v1", 2, seed=0, start=start, **SMALL).eval() for start in (folder, None)
    )
    batch = batch_of((5,), 30)
    with torch.inference_mode():
        expected = model(batch.ids[None]).last_hidden_state[0]
        torch.testing.assert_close(module.encoder.tokens(batch), expected)
    assert torch.equal(module.head.output.weight, random.head.output.weight)
    assert not torch.equal(module.encoder.word_table().vectors, random.encoder.word_table().vectors)


def test_a_student_without_checkpoints_refuses_one(tmp_path):
    with pytest.raises(RecipeError, match=r"cbow\.v1 cannot start from the checkpoint .*bert-tiny\.v1"):
        build("cbow.v1", 2, seed=0, start=tmp_path)


def test_a_checkpoints_own_vocabulary_is_read(write_model, tmp_path):
    vocabulary = checkpoint_vocabulary(write_model("bert"))
    assert vocabulary.encode("a zebra") == [2, 5, 1, 3]
    assert len(vocabulary) == 25
    with pytest.raises(ArtifactError, match="No tokeniser can be read from"):
        checkpoint_vocabulary(tmp_path / "nowhere")


def test_a_vocabulary_that_pads_with_another_id_is_refused(write_model, tmp_path):
    folder = write_model("bert")
    facts = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    turned = tmp_path / "turned"
    turned.mkdir()
    (turned / "tokenizer.json").write_text((folder / "tokenizer.json").read_text("utf-8"), encoding="utf-8")
    (turned / "tokenizer_config.json").write_text(
        json.dumps({**facts, "pad_token": "[MASK]"}), encoding="utf-8"
    )
    with pytest.raises(ArtifactError, match="numbers its padding 4, but a BERT's is 0"):
        checkpoint_vocabulary(turned)
