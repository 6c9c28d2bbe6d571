import json

import numpy as np
import pytest

from understudy.augment import StepContext, build_pool
from understudy.augment.inspection import MOST_WORDS, Inspection, inspect_pool, summarise
from understudy.errors import ArtifactError


@pytest.mark.parametrize("seed", range(4))
def test_quartiles_are_those_of_numpy(seed):
    lengths = np.random.default_rng(seed).integers(0, 90, size=1 + 37 * seed)
    found = summarise(np.bincount(lengths))
    q1, median, q3 = np.quantile(lengths, (0.25, 0.5, 0.75))
    assert (found.q1, found.median, found.q3) == pytest.approx((q1, median, q3))
    assert found.mean == pytest.approx(lengths.mean())
    assert (found.texts, found.least, found.most) == (len(lengths), lengths.min(), lengths.max())
    assert found.histogram[MOST_WORDS] == (lengths >= MOST_WORDS).sum()
    assert sum(found.histogram) == len(lengths)


def test_no_texts_have_no_lengths():
    assert summarise(np.bincount([])).texts == 0


def test_lengths_before_and_after_each_step(inspection, sentences):
    found, pool = inspection
    assert [name for name, _ in found.lengths] == ["given", "masking", "length"]
    assert found.labelled.texts == len(sentences)
    assert found.widest == found.lengths[1][1]
    assert found.final.texts == len(pool)
    assert found.final.least >= found.labelled.q1 > found.labelled.least
    assert found.final.most <= found.labelled.q3 < found.widest.most


def test_labels_survivors_and_victims(inspection):
    found, pool = inspection
    assert sum(found.balance.values()) == len(pool)
    assert abs(found.balance["no"] - found.balance["yes"]) <= 1
    assert found.labelled_balance["yes"] == 0
    assert len(found.survivors) == 10
    assert set(found.survivors) <= set(pool.items)
    assert len(found.victims) == 10
    assert {victim.item for victim in found.victims}.isdisjoint(pool.items) or any(
        "stands in" in victim.reason for victim in found.victims
    )


def test_the_numbers_are_json_ready(inspection):
    document = json.loads(json.dumps(inspection[0].to_dict()))
    assert document["steps"][1]["made"] == inspection[0].steps[1].made
    assert document["lengths"][2][1]["texts"] == inspection[0].final.texts


def test_without_a_teacher_there_is_no_balance(sentences):
    found = inspect_pool(build_pool([], sentences), [])
    assert (found.balance, found.labelled_balance) == ({}, {})


@pytest.mark.parametrize(
    "damage", [{}, {"labelled": 3}, {"lengths": [1]}, {"victims": [{}]}, {"survivors": [[]]}]
)
def test_damaged_numbers_are_refused_in_a_sentence(inspection, damage):
    data = {**inspection[0].to_dict(), **damage} if damage else {}
    with pytest.raises(ArtifactError, match="The inspection of the pool is damaged"):
        Inspection.from_dict(data)


def test_sentences_of_words_are_shown_whole():
    sentences = [("a", "good", "film"), ("so", "dull")]
    pool = build_pool([("one",)], [*sentences, ("One",)], tools=StepContext(are_words=True))
    found = Inspection.from_dict(json.loads(json.dumps(inspect_pool(pool, [("one",)]).to_dict())))
    assert set(found.survivors) == set(sentences)
    assert found.victims[0].item == ("One",)
