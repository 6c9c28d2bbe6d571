"""What every registered student keeps to; a new one is tested here without a line more."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from understudy.core.configs import LossConfig, TrainingConfig
from understudy.core.task import Predictor, Task
from understudy.errors import RecipeError
from understudy.students import STUDENTS, Ragged, build, rebuild, spec
from understudy.students.registry import count_parameters, describe, parse
from understudy.tokenization.encoding import APART
from understudy.tokenization.ngrams import NgramVocabulary
from understudy.tokenization.words import PAD_ID, SPECIALS, UNK_ID, WordVocabulary
from understudy.training.fit import fit
from understudy.training.torch_student import TorchStudent, load_trained, save_trained
from understudy.training.transfer_set import TransferSet

SIZE = 60
TASK = Task(("bad", "fair", "good"))
LENGTHS = (5, 1, 31, 2, 17, 1, 64)

UNDRAWN = {"linear.v1"}
"""Students whose weights all begin at zero: their loss is convex."""


def halved(config):
    """The same student with every size but its vocabulary's divided by two."""
    numbers = {f.name: getattr(config, f.name) for f in fields(config)}
    sizes = {
        key: max(1, value // 2)
        for key, value in numbers.items()
        if type(value) is int and key not in ("vocabulary_size", "max_words")
    }
    return replace(config, **sizes)


def learner(module, name):
    words = [f"w{number}" for number in range(SIZE - len(SPECIALS))]
    return TorchStudent(name, module, WordVocabulary((*SPECIALS, *words), module.config.max_words), TASK)


def entries(vocabulary):
    """The words of a vocabulary, and its n-grams, if it has such."""
    if isinstance(vocabulary, NgramVocabulary):
        assert len(vocabulary) > len(vocabulary.base)
        return vocabulary.base.words, vocabulary.table.pairs.tolist()
    return vocabulary.words


def random_examples(n=32, seed=0):
    """Texts of three to nine words of forty, with labels drawn without looking at them."""
    generator = np.random.default_rng(seed)
    words = [f"w{number}" for number in range(40)]
    texts = [" ".join(generator.choice(words, generator.integers(3, 10))) for _ in range(n)]
    assert len(set(texts)) == n
    return tuple(texts), generator.integers(0, len(TASK.labels), n)


@pytest.fixture(scope="module")
def trained_students(smaller):
    """Each student trained on 32 random examples, made when first asked for."""
    done = {}

    def get(name):
        if name not in done:
            texts, gold = random_examples()
            config = TrainingConfig(batch_size=8, epochs=40, learning_rate=1e-2, patience=40)
            transfer, sizes = TransferSet(texts, gold), smaller(name)
            done[name] = fit(name, TASK, transfer, (texts, gold), seed=0, config=config, **sizes)
        return done[name]

    return get


@pytest.mark.parametrize("labels", [2, 5])
@pytest.mark.parametrize("lengths", [(1,), (4, 1, 9)])
def test_logits_have_a_row_a_text_and_a_column_a_label(name, make, batch_of, logits_of, labels, lengths):
    logits = logits_of(make(name, labels, vocabulary_size=SIZE), batch_of(lengths, SIZE))
    assert (logits.shape, logits.dtype) == ((len(lengths), labels), np.float32)
    assert np.isfinite(logits).all()


def test_alone_as_in_any_batch(name, make, batch_of, logits_of):
    module, batch = make(name, vocabulary_size=SIZE), batch_of(LENGTHS, SIZE)
    together = logits_of(module, batch)
    for row, ids in enumerate(batch.ids.split(LENGTHS)):
        alone = logits_of(module, Ragged(ids, torch.tensor([len(ids)])))
        np.testing.assert_allclose(alone[0], together[row], atol=1e-5, rtol=1e-5)
    assert np.ptp(together, axis=0).min() > 0.05  # the texts do differ, so the test can fail


def test_the_order_of_a_batch_does_not_matter(name, make, batch_of, logits_of):
    module, batch = make(name, vocabulary_size=SIZE), batch_of(LENGTHS, SIZE)
    parts = batch.ids.split(LENGTHS)
    turned = Ragged(torch.cat(parts[::-1]), batch.lengths.flip(0))
    np.testing.assert_allclose(logits_of(module, turned)[::-1], logits_of(module, batch), atol=1e-5)


def test_empty_texts_and_unknown_words_are_answered(name, make):
    student = learner(make(name, vocabulary_size=SIZE), name)
    assert isinstance(student, Predictor)
    logits = student.logits(["", "  \n", "zzz", "w1 w2", "zzz yyy w1"])
    assert np.isfinite(logits).all()
    # Rows of one product may be added up by different kernels, so equal texts agree to a tolerance.
    np.testing.assert_allclose(logits[0], logits[1], atol=1e-6)
    np.testing.assert_allclose(logits[0], logits[2], atol=1e-6)  # both are one unknown word
    assert np.abs(logits[3] - logits[2]).max() > 1e-3
    assert student.logits([]).shape == (0, 3)


def test_words_beyond_the_longest_text_are_not_read(name, make):
    student = learner(make(name, vocabulary_size=SIZE, max_words=4), name)
    cut, whole = "w1 w2 w3 w4", "w1 w2 w3 w4 w5 w6"
    # The same ids in two calls: the order of sums may differ.
    np.testing.assert_allclose(student.logits([cut]), student.logits([whole]), atol=1e-6)
    assert np.abs(student.logits([cut]) - student.logits(["w1 w2 w3 w5"])).max() > 1e-3


def test_onnx_answers_like_torch(name, make, batch_of, logits_of, onnx_of):
    module = make(name, vocabulary_size=SIZE)
    twin, generator = onnx_of(module), np.random.default_rng(3)
    drawn = [tuple(generator.integers(1, 80, generator.integers(1, 12)).tolist()) for _ in range(12)]
    seen = []
    for seed, lengths in enumerate([(1,), (500,), (1, 500), (1,) * 9, (3, 3, 3), *drawn]):
        batch = batch_of(lengths, SIZE, seed)
        expected, found = logits_of(module, batch), twin(batch)
        assert (found.shape, found.dtype) == (expected.shape, np.float32)
        np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)
        seen.append(expected)
    assert np.std(np.concatenate(seen), axis=0).min() > 0.02  # the logits do differ


def test_onnx_reads_special_words_like_torch(name, make, logits_of, onnx_of):
    module = make(name, vocabulary_size=SIZE)
    batch = Ragged(torch.tensor([UNK_ID, 2, 5, UNK_ID]), torch.tensor([1, 3]))
    np.testing.assert_allclose(onnx_of(module)(batch), logits_of(module, batch), atol=1e-5)


@pytest.mark.parametrize("extra", [1, 30])
def test_padding_adds_nothing(name, make, batch_of, onnx_of, extra):
    twin, batch = onnx_of(make(name, vocabulary_size=SIZE)), batch_of((3, 1, 8), SIZE)
    np.testing.assert_allclose(twin(batch, extra=extra), twin(batch), atol=1e-6)


def test_padding_still_adds_nothing_after_training(trained_students, name, batch_of, logits_of, onnx_of):
    module = trained_students(name).student.module
    twin, batch = onnx_of(module), batch_of((3, 1, 8), module.config.vocabulary_size)
    np.testing.assert_allclose(twin(batch, extra=20), logits_of(module, batch), atol=1e-4, rtol=1e-5)


def test_same_seed_same_weights(name):
    def weights(seed):
        return build(name, 2, seed=seed, vocabulary_size=SIZE).state_dict()

    one, same, other = weights(1), weights(1), weights(2)
    assert all(torch.equal(value, same[key]) for key, value in one.items())
    drawn = {key: value for key, value in one.items() if len(value.unique()) > 2}  # no zeros, no ones
    differ = [not torch.equal(value, other[key]) for key, value in drawn.items()]
    assert all(differ)
    assert differ or name in UNDRAWN
    assert not (differ and name in UNDRAWN)


def test_building_leaves_global_randomness_alone(name):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    build(name, 2, seed=1, vocabulary_size=SIZE)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("labels", [2, 3, 17])
@pytest.mark.parametrize("vocabulary_size", [7, 123, 5000])
@pytest.mark.parametrize("change", [lambda config: config, halved], ids=["full", "halved"])
def test_the_number_of_parameters_is_the_formulas(name, labels, vocabulary_size, change):
    config = change(spec(name).config(vocabulary_size=vocabulary_size))
    with torch.device("meta"):  # counted, never filled
        module = spec(name).module(config, labels)
    assert spec(name).parameters(config, labels) == count_parameters(module)


def test_learns_32_examples(trained_students, name):
    texts, gold = random_examples()
    done = trained_students(name)
    answers = done.student.logits(texts).argmax(axis=1)
    assert (answers == gold).all()
    assert done.seconds > 0
    assert done.curve[0].dev_score < 1.0


def test_learns_a_teachers_logits(name, smaller):
    texts, gold = random_examples(24)
    soft = np.random.default_rng(1).normal(0, 2, (24, 3)).astype(np.float32)
    config = TrainingConfig(batch_size=8, epochs=40, learning_rate=1e-2, patience=40)
    done = fit(
        name,
        TASK,
        TransferSet(texts, np.full(24, -1), soft),
        (texts, gold),
        seed=0,
        loss=LossConfig("mse"),
        config=config,
        **smaller(name),
    )
    assert done.curve[-1].train_loss < 0.2 * soft.var()


def test_training_twice_gives_the_same_student(name, smaller):
    texts, gold = random_examples(16)
    config = TrainingConfig(batch_size=8, epochs=2)

    def logits(seed):
        transfer, sizes = TransferSet(texts, gold), smaller(name)
        done = fit(name, TASK, transfer, (texts, gold), seed=seed, config=config, **sizes)
        return done.student.logits(texts)

    # exact: the same seed, shapes and machine give the same weights and answers
    np.testing.assert_array_equal(logits(0), logits(0))
    assert (logits(0) != logits(1)).any()


def test_save_and_load_are_inverse(trained_students, name, tmp_path):
    done = trained_students(name)
    save_trained(done, tmp_path / "student", {"about": "a test"})
    loaded = load_trained(tmp_path / "student")
    beyond = " ".join(f"w{number % 40}" for number in range(700))  # cut by those that cut
    texts = [*random_examples()[0], "", "zzz w1", beyond]
    kept = done.student.module.state_dict()
    assert all(torch.equal(value, kept[key]) for key, value in loaded.student.module.state_dict().items())
    # Loaded weights lie elsewhere in memory, so sums may differ in the last bit.
    np.testing.assert_allclose(loaded.student.logits(texts), done.student.logits(texts), atol=1e-6)
    assert (loaded.curve, loaded.seconds) == (done.curve, done.seconds)
    assert (loaded.student.name, loaded.student.task) == (name, TASK)
    assert loaded.student.module.config == done.student.module.config
    vocabularies = loaded.student.vocabulary, done.student.vocabulary
    assert entries(vocabularies[0]) == entries(vocabularies[1])
    assert loaded.student.parameters == done.student.parameters == count_parameters(done.student.module)
    assert not loaded.student.module.training


def test_described_and_rebuilt(name):
    module = build(name, 2, seed=0, vocabulary_size=SIZE)
    facts = describe(name, module)
    assert facts["name"] == name
    again = rebuild(facts["name"], facts["config"], 2)
    assert again.config == module.config
    again.load_state_dict(module.state_dict())


def test_an_unknown_size_is_refused(name):
    with pytest.raises(
        RecipeError, match=f"{name} has no size 'vocabulary_sise'. Did you mean 'vocabulary_size'"
    ):
        build(name, 2, seed=0, vocabulary_sise=9)


def test_has_a_versioned_name_a_source_and_what_the_toolkit_reads(name):
    found = spec(name)
    assert found is STUDENTS[name]
    assert found.name == name
    assert name.rpartition(".v")[2].isdecimal()
    assert found.source
    assert found.encoder.__doc__
    names = {field.name for field in fields(found.config)}
    assert {"vocabulary_size", "max_words"} <= names
    assert found.config.__dataclass_params__.frozen
    defaults = found.training
    assert min(defaults.epochs, defaults.batch_size, defaults.learning_rate, defaults.patience) > 0


def test_the_padding_row_is_zero_and_has_no_gradient(name, batch_of):
    module = build(name, 2, seed=0, vocabulary_size=SIZE)
    tables = [value for value in module.parameters() if value.shape[0] == SIZE]
    assert len(tables) == 1
    assert not tables[0][PAD_ID].any()
    module(batch_of((4, 1), SIZE)).sum().backward()
    assert tables[0].grad.any()
    assert not tables[0].grad[PAD_ID].any()


# Form "tokens": a row of logits for every word.

TAGGERS = [name for name in sorted(STUDENTS) if hasattr(spec(name).encoder, "tokens")]
SPELLED = [f"{name}:spelling=true" for name in TAGGERS if "spelling" in spec(name).sizes]
WORDWISE = [*TAGGERS, *SPELLED]


def real_rows(logits, batch):
    """Of logits ``(b, t, c)``, those of words: ``(sum of lengths, c)``."""
    return np.concatenate([row[:length] for row, length in zip(logits, batch.lengths, strict=True)])


@pytest.fixture
def make_tagger(make):
    return lambda name: make(name, 4, form="tokens", vocabulary_size=SIZE)


@pytest.mark.parametrize("name", WORDWISE)
def test_words_have_logits_of_their_own(name, make_tagger, spelled_batch_of, logits_of):
    logits = logits_of(make_tagger(name), spelled_batch_of(LENGTHS, SIZE))
    assert (logits.shape, logits.dtype) == ((sum(LENGTHS), 4), np.float32)
    assert np.std(logits, axis=0).min() > 0.05
    starts = np.cumsum((0, *LENGTHS[:-1]))
    assert all(
        np.ptp(logits[a : a + n], axis=0).min() > 1e-3 for a, n in zip(starts, LENGTHS, strict=True) if n > 1
    )


@pytest.mark.parametrize("name", WORDWISE)
def test_words_are_tagged_alone_as_in_any_batch(name, make_tagger, spelled_batch_of, split, logits_of):
    module, batch = make_tagger(name), spelled_batch_of(LENGTHS, SIZE)
    alone = np.concatenate([logits_of(module, part) for part in split(batch)])
    np.testing.assert_allclose(alone, logits_of(module, batch), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", WORDWISE)
def test_words_are_tagged_by_onnx_as_by_torch(name, make_tagger, spelled_batch_of, logits_of, onnx_of):
    module = make_tagger(name)
    twin = onnx_of(module)
    for seed, lengths in enumerate([(1,), (1, 300), (1,) * 9, (3, 3), LENGTHS]):
        batch = spelled_batch_of(lengths, SIZE, seed)
        for extra in (0, 11):
            found = twin(batch, extra=extra)
            assert found.shape == (len(lengths), max(lengths) + extra, 4)
            expected = logits_of(module, batch)
            np.testing.assert_allclose(real_rows(found, batch), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", WORDWISE)
@pytest.mark.parametrize("change", [lambda config: config, halved], ids=["full", "halved"])
def test_the_formula_counts_taggers(name, change):
    config = change(spec(name).config(**parse(name).sizes, vocabulary_size=SIZE))
    assert spec(name).parameters(config, 7, "tokens") == count_parameters(
        spec(name).module(config, 7, "tokens")
    )


@pytest.mark.parametrize("name", sorted(set(STUDENTS) - set(TAGGERS)))
def test_a_student_without_words_of_their_own_refuses_to_tag(name):
    with pytest.raises(RecipeError, match=rf"{name} .*cannot tag"):
        build(name, 2, seed=0, form="tokens", vocabulary_size=SIZE)


# Forms "diffcat" and "compare": two texts, read apart.


@pytest.fixture
def make_pair_student(make):
    return lambda name: make(name, form=spec(name).apart, vocabulary_size=SIZE)


def test_pairs_alone_as_in_any_batch(name, make_pair_student, batch_of, logits_of):
    module, lengths = make_pair_student(name), (LENGTHS, LENGTHS[::-1])
    one, two = (batch_of(side, SIZE, seed) for seed, side in enumerate(lengths))
    together = logits_of(module, one, two)
    assert together.shape == (len(LENGTHS), 3)
    for row, (left, right) in enumerate(
        zip(one.ids.split(lengths[0]), two.ids.split(lengths[1]), strict=True)
    ):
        pair = [Ragged(ids, torch.tensor([len(ids)])) for ids in (left, right)]
        np.testing.assert_allclose(logits_of(module, *pair)[0], together[row], atol=1e-5, rtol=1e-5)
    turned = np.abs(logits_of(module, two, one) - together).max()
    assert turned > 1e-2 or name == "linear.v1"  # without an embedding, two texts add up in any order
    assert np.ptp(together, axis=0).min() > 0.05


def test_pairs_are_answered_by_onnx_as_by_torch(name, make_pair_student, batch_of, logits_of, onnx_of):
    module = make_pair_student(name)
    twin, seen = onnx_of(module), []
    for seed, sides in enumerate(
        [((1,), (1,)), ((1, 200), (7, 2)), ((3, 3), (90, 1)), (LENGTHS, LENGTHS[::-1])]
    ):
        pair = [batch_of(side, SIZE, 10 * seed + place) for place, side in enumerate(sides)]
        expected = logits_of(module, *pair)
        for extra in (0, 5):
            np.testing.assert_allclose(twin(*pair, extra=extra), expected, atol=1e-5, rtol=1e-5)
        seen.append(expected)
    assert np.std(np.concatenate(seen), axis=0).min() > 0.02


def test_the_formula_counts_pair_students(name):
    config = spec(name).config(vocabulary_size=SIZE)
    with torch.device("meta"):
        module = spec(name).module(config, 3, spec(name).apart)
    assert spec(name).parameters(config, 3, spec(name).apart) == count_parameters(module)


def test_a_student_reads_pairs_apart_in_one_way_alone(name):
    (other,) = set(APART) - {spec(name).apart}
    sentence = f"{name} cannot read two texts as '{other}': it reads them as 'joint'.* '{spec(name).apart}'"
    with pytest.raises(RecipeError, match=sentence):
        build(name, 2, seed=0, form=other, vocabulary_size=SIZE)
    assert spec(name).training.pair in {"joint", spec(name).apart}

    task, pairs = Task(("no", "yes"), "pair"), (("w1", "w2"), ("w3", "w4"))
    gold, config = np.array([0, 1]), TrainingConfig(pair=other)
    with pytest.raises(RecipeError, match=sentence):
        fit(name, task, TransferSet(pairs, gold), (pairs, gold), seed=0, config=config)
