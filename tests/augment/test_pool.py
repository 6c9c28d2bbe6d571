import numpy as np
import pytest

from understudy.augment import StepContext, build_pool, normalise_held_out, read_steps
from understudy.augment.dedup import DUPLICATE, HELD_OUT, normalise_item
from understudy.augment.pool import GIVEN
from understudy.errors import DataError, RecipeError

TABLE = {"good": ["fine", "nice"], "room": ["chamber"], "bad": ["poor"], "film": ["movie"]}
TOOLS = StepContext(synonyms=lambda words: [TABLE.get(w.lower(), []) for w in words])
RULES = read_steps(
    [
        {"masking": {"passes": 3}},
        {"pos-swap": {"passes": 3, "classes": 4}},
        {"ngram": {"passes": 3}},
        {"rules": {"passes": 3, "classes": 4}},
        {"eda": {"passes": 4, "stop_words": 0}},
    ]
)


def made_by(pool, number):
    return [item for item, origin in zip(pool.items, pool.origins, strict=True) if origin == number]


def test_every_text_is_new_once_and_accounted_for(sentences):
    pool = build_pool(sentences[:40], sentences[30:], RULES, tools=TOOLS)
    forms = list(map(normalise_item, pool.items))
    assert len(set(forms)) == len(forms) > 300
    assert not set(forms) & set(map(normalise_item, sentences[:40]))
    assert made_by(pool, GIVEN) == sentences[40:]
    assert pool.reports[0].removed == {DUPLICATE: 10}
    total = 0
    for number, report in enumerate(pool.reports, start=-1):
        assert report.before == total
        assert report.after - report.before == report.made - sum(report.removed.values())
        assert report.after - report.before == len(made_by(pool, number)) > 0
        assert report.lengths.sum() == report.after
        assert report.repeated == 0
        total = report.after
    assert total == len(pool)


@pytest.mark.parametrize("step", RULES, ids=lambda step: step.name)
def test_a_step_makes_the_same_whatever_stands_beside_it(step, sentences):
    alone = set(build_pool(sentences, (), [step], seed=4, tools=TOOLS).items)
    assert len(alone) > 20
    others = [other for other in RULES if other is not step]
    for steps in ([step, *others], [*others, step], [step, step]):
        assert alone <= set(build_pool(sentences, (), steps, seed=4, tools=TOOLS).items)
    assert alone == set(build_pool(sentences, (), [step], seed=4, tools=TOOLS).items)
    assert alone != set(build_pool(sentences, (), [step], seed=5, tools=TOOLS).items)


def test_a_step_may_start_from_labelled_or_given_texts_alone():
    def made(of):
        steps = read_steps([{"ngram": {"p": 1.0, "passes": 20, "of": of}}])
        pool = build_pool(["one two three"], ["four five six"], steps, seed=0, held_out=frozenset())
        return {word for text in pool.items[1:] for word in text.split()}

    assert made("labelled") <= {"one", "two", "three"}
    assert made("given") <= {"four", "five", "six"}
    assert made("all") >= {"two", "five"}
    with pytest.raises(RecipeError, match=r"ngram\.of .*'gold'"):
        read_steps([{"ngram": {"of": "gold"}}])
    for entry in ({"length": {"of": "given"}}, {"merge": {"sources": ["more.csv"], "of": "given"}}):
        with pytest.raises(RecipeError, match="no option 'of'"):
            read_steps([entry])


def test_nothing_that_is_held_out_is_made(sentences):
    free = build_pool(sentences, ("Given  Text",), RULES, tools=TOOLS)
    judges = [item.upper() for item in free.items[::3] if item != "Given  Text"]
    held = build_pool(sentences, ("Given  Text",), RULES, tools=TOOLS, held_out=normalise_held_out(judges))
    assert not set(map(normalise_item, held.items)) & set(map(normalise_item, judges))
    assert len(held) == len(free) - len(set(map(normalise_item, judges)))
    shown = {victim.reason for report in held.reports for victim in report.victims}
    assert shown == {HELD_OUT, DUPLICATE}
    for report in held.reports:
        for victim in report.victims:
            is_judge = normalise_item(victim.item) in set(map(normalise_item, judges))
            assert is_judge == (victim.reason == HELD_OUT)


@pytest.mark.parametrize("of", ["all", "labelled", "given"])
def test_of_what_is_held_out_nothing_is_made(of):
    steps = read_steps([{"masking": {"p": 0.5, "of": of}}, {"ngram": {"p": 1.0, "of": of}}])
    judges = normalise_held_out(["a very long secret"])
    pool = build_pool(["one two", "A VERY long secret"], ["A very  long secret"], steps, held_out=judges)
    assert "secret" not in " ".join(pool.items)
    assert pool.reports[0].removed == {HELD_OUT: 1}


def test_pairs_make_pairs(sentences):
    pairs = list(zip(sentences[:20], sentences[20:40], strict=True))
    pool = build_pool(pairs, (), RULES, tools=TOOLS, held_out=normalise_held_out([("a", "b")]))
    assert all(isinstance(item, tuple) for item in pool.items)
    kinds = {(one in sentences, other in sentences) for one, other in pool.items}
    assert kinds == {(True, False), (False, True), (False, False)}


def test_a_pair_of_dev_or_test_does_not_enter_turned_round():
    given = [("the room", "the hall"), ("the hall", "the room"), ("rain", "sun"), ("sun", "rain")]
    pool = build_pool([("a", "b")], given, held_out=normalise_held_out([("The  Hall", "the room")]))
    assert pool.items == (("rain", "sun"), ("sun", "rain"))
    assert pool.reports[0].removed == {HELD_OUT: 2}


def test_texts_and_pairs_do_not_mix():
    with pytest.raises(DataError, match="mixed"):
        build_pool(["a"], [("a", "b")])


def test_texts_do_not_enter_a_pool_of_pairs(tmp_path):
    path = tmp_path / "more.csv"
    path.write_text("text,label\n" + "".join(f"text {n},{'ab'[n % 2]}\n" for n in range(40)))
    with pytest.raises(DataError, match="mixed"):
        build_pool([("a", "b")], (), read_steps([{"merge": {"sources": [str(path)]}}]))


def test_filters_remove_from_the_pool_alone(sentences):
    steps = read_steps([{"masking": {"passes": 5}}, {"length": {"by": "quartiles"}}, {"domain": {"top": 20}}])
    pool = build_pool(sentences, ["rain"], steps)
    masked, length, domain = pool.reports[1:]
    assert length.before == masked.after
    assert (length.made, domain.made) == (0, 0)
    assert sum(length.removed.values()) == length.before - length.after > 0
    assert domain.after == len(pool) == 20
    (reason,) = domain.removed
    assert {victim.reason for victim in domain.victims} == {reason}
    assert len(domain.victims) == 10
    assert set(domain.survivors) <= set(pool.items)
    assert "rain" not in pool.items


def test_the_teacher_is_asked_about_the_texts_that_are_there(sentences):
    asked = []

    def predict(items):
        asked.append(list(items))
        scores = [float("good" in item) * 4 for item in items]
        return np.array([[0.0, score] for score in scores], dtype=np.float32)

    steps = read_steps(
        [{"masking": {"passes": 2}}, {"confidence": {"low": 0.9}}, {"balance": {"by": "mean"}}]
    )
    pool = build_pool(sentences, (), steps, tools=StepContext(predict=predict))
    assert all("good" in item for item in pool.items)
    assert len(asked[0]) == pool.reports[1].after
    assert asked[1] == [item for item in asked[0] if "good" in item]


def test_oversampled_rows_are_counted(sentences):
    def predict(items):
        return np.eye(2, dtype=np.float32)[[int(row < 3) for row in range(len(items))]]

    steps = read_steps([{"balance": {"by": "mean"}}])
    pool = build_pool([], sentences[:13], steps, tools=StepContext(predict=predict))
    report = pool.reports[-1]
    assert (len(pool), report.repeated, sum(report.removed.values())) == (12, 3, 4)  # mean of 3 and 10: 6
    assert len(set(pool.items)) == 9


def test_a_filter_without_a_teacher_is_refused(sentences):
    with pytest.raises(RecipeError, match="'balance' reads the teacher's answers"):
        build_pool(sentences, (), read_steps(["balance"]))


def test_own_taggers_and_files_of_tags_are_used(sentences, tmp_path):
    (tmp_path / "tags").write_text("room\tN\nfood\tN\n")
    words = set(" ".join(sentences).split())
    for steps, tools in (
        ([{"pos-swap": {"tags": str(tmp_path / "tags"), "p": 1.0}}], StepContext()),
        (
            [{"pos-swap": {"p": 1.0}}],
            StepContext(
                tagger=lambda texts: [["N" if w in ("room", "food") else w for w in t] for t in texts]
            ),
        ),
    ):
        made = build_pool(sentences, (), read_steps(steps), tools=tools).items
        assert made
        for text in made:
            assert text.replace("food", "room") in {s.replace("food", "room") for s in sentences}
            assert set(text.split()) <= words


def test_models_are_run_through_the_registry(mlm_folder, causal_folder, seq2seq_folder, sentences):
    steps = read_steps(
        [
            {"mlm": {"model": mlm_folder, "passes": 2}},
            {"generate": {"model": causal_folder, "texts": 5, "epochs": 1}},
            {"back-translate": {"there": seq2seq_folder, "back": seq2seq_folder, "most_tokens": 6}},
        ]
    )
    pool = build_pool(sentences[:6], (), steps)
    assert [report.made > 0 for report in pool.reports[1:]] == [True] * 3


def test_near_duplicates_run_through_the_registry(sentences):
    pytest.importorskip("datasketch")
    steps = read_steps([{"near-duplicates": {"threshold": 0.5}}])
    pool = build_pool([], [*sentences[:5], sentences[0] + " so"], steps)
    assert sentences[0] + " so" not in pool.items


def test_domain_reads_vectors_through_the_registry(tmp_path):
    (tmp_path / "v").write_text("room 1 0\nrain 0 1\n")
    options = {"top": 1, "by": "vectors", "vectors": str(tmp_path / "v")}
    assert build_pool(["room"], ["rain", "a room"], read_steps([{"domain": options}])).items == ("a room",)


def test_an_empty_beginning_is_no_error():
    pool = build_pool([], (), read_steps(["masking"]))
    assert len(pool) == 0


def test_two_steps_of_one_name_make_other_variants(sentences):
    masking = {"masking": {"passes": 3}}
    once, twice = (build_pool(sentences, (), read_steps([masking] * times), seed=1) for times in (1, 2))
    first = [item for item, origin in zip(twice.items, twice.origins.tolist(), strict=True) if origin == 0]
    assert first == list(once.items)
    assert len(twice) > 1.3 * len(once)


def test_sentences_of_words_are_held_out_by_their_letters_in_order():
    words = StepContext(are_words=True)
    judges = normalise_held_out([("Do", "n't", "go"), ("man", "bites", "dog")], are_words=True)
    given = [("Don't", "GO"), ("dog", "bites", "man"), ("a", "b"), ("b", "a"), ("A", "b")]
    pool = build_pool([("x",)], given, held_out=judges, tools=words)
    assert pool.items == (("dog", "bites", "man"), ("a", "b"), ("b", "a"))


def test_filters_read_sentences_of_words():
    labelled = [("one", "two"), ("one", "two", "three")]
    given = [("a",), ("a", "b"), ("a", "b", "c", "d"), ("a", "c", "d")]
    tools = StepContext(are_words=True)
    assert build_pool(labelled, given, read_steps(["length"]), tools=tools).items == (given[1], given[3])
    near = build_pool(labelled, [*given, ("a", "b", "C", "D")], read_steps(["near-duplicates"]), tools=tools)
    assert near.items == tuple(given)
