from dataclasses import dataclass

import pytest
import torch
from torch import nn

from understudy.core.task import KINDS
from understudy.errors import RecipeError
from understudy.students import STUDENTS, build, registry, spec
from understudy.students.registry import (
    TrainingDefaults,
    count_parameters,
    describe,
    listing,
    parse,
    rebuild,
    register,
)


@dataclass(frozen=True)
class LineConfig:
    vocabulary_size: int = 4
    max_words: int | None = None


@pytest.fixture
def line(monkeypatch):
    """A third student, registered for one test."""
    monkeypatch.setattr(registry, "STUDENTS", dict(STUDENTS))

    @register(
        "line.v1",
        config=LineConfig,
        head=lambda config, width, labels: nn.Linear(width, labels, bias=False),
        parameters=lambda config, labels, features: config.vocabulary_size * features * labels,
        training=TrainingDefaults(epochs=1, batch_size=2, learning_rate=0.1),
        source="nowhere",
    )
    class Line(nn.Module):
        def __init__(self, config):
            super().__init__()
            self.config = config
            self.width = config.vocabulary_size

    return Line


def test_the_students_of_the_paper_are_there():
    assert {"cbow.v1", "bilstm.v1"} <= set(STUDENTS)


@pytest.mark.parametrize(
    ("name", "guess"), [("cbow", "cbow.v2"), ("bilstm", "bilstm.v1"), ("BiLSTM.v1", "bilstm.v1")]
)
def test_an_unknown_name_suggests_the_nearest_and_of_versions_the_last(name, guess):
    with pytest.raises(RecipeError, match=f"Unknown student {name!r}. Did you mean {guess!r}"):
        spec(name)
    with pytest.raises(RecipeError, match=r"Known: .*'bilstm\.v1', 'cbow\.v1'"):
        build(name, 2, seed=0)


def test_a_registered_class_stays_itself_and_can_be_built(line):
    assert spec("line.v1").encoder is line
    built = build("line.v1", 3, seed=0, vocabulary_size=5)
    assert isinstance(built.encoder, line)
    assert built.config == LineConfig(vocabulary_size=5)
    assert count_parameters(built) == spec("line.v1").parameters(built.config, 3) == 15


def test_a_name_is_given_once(line):
    defaults = TrainingDefaults(epochs=1, batch_size=1, learning_rate=0.1)
    again = register("line.v1", config=LineConfig, head=None, parameters=None, training=defaults, source="")
    with pytest.raises(RecipeError, match=r"line\.v1"):
        again(nn.Linear)
    assert spec("line.v1").encoder is line


def test_frozen_parameters_count(line):
    built = build("line.v1", 2, seed=0)
    built.head.weight.requires_grad_(False)
    assert count_parameters(built) == 8


def test_a_seed_is_for_the_weights_alone(line):
    torch.manual_seed(1)
    first = build("line.v1", 2, seed=3).head.weight
    torch.manual_seed(2)
    assert torch.equal(build("line.v1", 2, seed=3).head.weight, first)


def test_a_name_with_a_preset_is_a_name_and_sizes():
    assert parse("bilstm.v1") == ("bilstm.v1", {}, {})
    assert parse("bilstm.v1:tang") == ("bilstm.v1", {"width": 300, "hidden": 150, "layers": 1}, {})
    assert spec("bilstm.v1:tang") is spec("bilstm.v1")
    parse("bilstm.v1:tang")[1]["width"] = 1
    assert parse("bilstm.v1:tang")[1]["width"] == 300


def test_sizes_and_options_stand_behind_a_name():
    parsed = parse("bilstm.v1:tang,dropout=0.1,vocabulary_size=99,pair=joint,max_words=none")
    assert parsed.sizes == {"width": 300, "hidden": 150, "layers": 1, "dropout": 0.1, "max_words": None}
    assert parsed.options == {"vocabulary_size": 99, "pair": "joint"}
    assert parse("cbow.v1:class_weights=true").options == {"class_weights": True}
    with pytest.raises(RecipeError, match=r"cbow\.v1 has no size 'widht'\. Did you mean 'width'"):
        parse("cbow.v1:widht=3")


def test_a_preset_is_built_and_single_sizes_go_before_it():
    built = build("bilstm.v1:tang", 2, seed=0, vocabulary_size=9, hidden=7)
    config = built.config
    assert (config.width, config.hidden, config.layers, config.vocabulary_size) == (300, 7, 1, 9)
    again = rebuild(**{key: describe("bilstm.v1:tang", built)[key] for key in ("name", "config")}, labels=2)
    assert again.config == config


@pytest.mark.parametrize("name", ["bilstm.v1:tan", "bilstm.v1:"])
def test_an_unknown_preset_suggests_the_nearest(name):
    with pytest.raises(RecipeError, match=r"bilstm\.v1 has no preset .*Known: 'large', 'tagger', 'tang'"):
        parse(name)
    with pytest.raises(RecipeError, match=r"cbow\.v1 has no preset 'x'\. There are none"):
        spec("cbow.v1:x")


@pytest.mark.parametrize("sizes", [{"widht": 3}, {"vocabulary_size": 3}])
def test_a_preset_of_an_unknown_size_or_of_the_vocabularys_is_refused(monkeypatch, sizes):
    monkeypatch.setattr(registry, "STUDENTS", dict(STUDENTS))
    defaults = TrainingDefaults(epochs=1, batch_size=1, learning_rate=0.1)
    add = register(
        "line.v1",
        config=LineConfig,
        head=None,
        parameters=None,
        training=defaults,
        source="",
        presets={"bad": sizes},
    )
    with pytest.raises(RecipeError, match=r"line\.v1:bad has no size"):
        add(nn.Linear)
    assert "line.v1" not in registry.STUDENTS


PRESETS = {f"{name}:{preset}" for name, found in STUDENTS.items() for preset in found.presets}

TOTALS = {
    # 5,000·200 + 8·128·(200 + 130) + 8·128·(256 + 130) + 257·2
    "bilstm.v1:large": (1_733_698, 1.7e6, {}),
    # 5,000·300 + 8·150·(300 + 152) + 301·2
    "bilstm.v1:tang": (2_043_002, None, {}),
    # 5,000·100 + 12,000·24 + 100·(9·24 + 1) + 8·128·(100 + 130) + 257·2
    "bilstm.v1:tagger": (1_045_734, None, {}),
    # 5,000·100 + 12,000·24 + 100·(9·24 + 1) + 256·(5·100 + 1) + 257·2
    "window.v1:tagger": (938_470, None, {}),
    "attn-bilstm.v1:classification": (3_335_722, 3.35e6, {}),
    "attn-bilstm.v1:tagging": (4_402_946, 4.38e6, {}),
    "cnn.v1:paper": (4_012_546, 4.02e6, {}),
    "cnn.v1:small": (565_802, None, {"vocabulary_size": 5000}),
    # (5,000 + 4,096)·16 + 17·32 + 33·2
    "dan.v1:small": (146_146, None, {}),
    # (5,000 + 262,144)·64 + 65·32 + 33·2
    "dan.v1:large": (17_099_362, None, {}),
    # 20,000·16 + 17·32 + 33·2
    "cbow.v2:small": (320_610, None, {}),
    # 50,000·(16 + 2) + 17·32 + 33·2
    "dan.v2:small": (900_610, None, {}),
    # 5,000·300 + 100·(12·300 + 3) + 301·2 + 600·2
    "kim-cnn.v1:wide": (1_860_902, None, {}),
    # 2·5,000·100 + 100·(12·200 + 3) + 301·2
    "kim-cnn.v1:multichannel": (1_240_902, None, {}),
    # 28,764,674 + 4·(4·512·513 + 2,048·1,025 + 5·512)
    "bert-small.v1:medium": (41_374_210, 41.4e6, {}),
}


def test_the_size_of_every_preset_is_asserted():
    assert set(TOTALS) == PRESETS


@pytest.mark.parametrize("name", TOTALS)
def test_presets_have_their_size(name):
    exact, published, more = TOTALS[name]
    found, sizes = spec(name), parse(name)[1]
    config = found.config(**sizes, **more)
    form = "tokens" if sizes.get("spelling") else "text"
    with torch.device("meta"):
        module = found.module(config, 2, form)
    assert found.parameters(config, 2, form) == count_parameters(module) == exact
    if published is not None:
        assert exact == pytest.approx(published, rel=0.02)


def test_the_listing_says_what_each_student_answers():
    rows = {row["name"]: row for row in listing()}
    assert set(rows) == set(STUDENTS)
    assert all(tuple(row["kinds"]) == KINDS for row in rows.values())
    assert set(rows["bilstm.v1"]["kinds"].values()) == {True}
    refused = {
        name: kind for name, row in rows.items() for kind, can in row["kinds"].items() if can is not True
    }
    bags = ("cbow.v1", "cbow.v2", "dan.v1", "dan.v2", "linear.v1", "kim-cnn.v1")
    assert refused == dict.fromkeys(bags, "tagging")
    assert rows["cbow.v1"]["kinds"]["tagging"].startswith("cbow.v1 has no features of single words")


def test_the_listing_counts_presets_with_the_sizes_asked_for():
    presets = {row["name"]: row["presets"] for row in listing(vocabulary_size=100, labels=3)}
    tang = presets["bilstm.v1"]["bilstm.v1:tang"]
    assert tang["sizes"] == {"width": 300, "hidden": 150, "layers": 1}
    assert tang["parameters"] == 100 * 300 + 8 * 150 * 452 + 301 * 3
    assert presets["cbow.v1"] == {}


def test_the_listing_counts_pairs_in_the_form_asked_for_where_a_student_has_it():
    for form, other in (("compare", "diffcat"), ("diffcat", "compare")):
        for row in listing(form=form):
            found = spec(row["name"])
            counts = [row["parameters"], *(preset["parameters"] for preset in row["presets"].values())]
            if found.apart == form:
                assert row["kinds"]["pair"] is True
                assert row["parameters"] == found.parameters(found.config(), 2, form)
            else:
                assert found.apart == other
                assert set(counts) == {None}
                assert row["kinds"]["pair"] == found.pair_refusal(form) != ""


@pytest.mark.parametrize("name", ["linear.v1:direct=5", "dan.v2:direct=2"])
def test_sizes_that_follow_from_the_task_cannot_be_chosen(name):
    with pytest.raises(RecipeError, match="has no size 'direct'"):
        parse(name)
