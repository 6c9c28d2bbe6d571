"""What an endpoint is asked, and how long that is."""

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from understudy.core.task import Task
from understudy.errors import RecipeError, TeacherError
from understudy.teachers.chat.tokens import estimate_tokens
from understudy.teachers.configs import EndpointConfig
from understudy.teachers.prompt import Prompt, codes_for

TASK = Task(("bad", "good"))


def config(**more):
    facts = {"base_url": "http://host/v1", "model": "m", "labels": {"bad": "awful", "good": ""}}
    return EndpointConfig(**{**facts, **more})


def test_labels_stand_with_codes_and_descriptions():
    prompt = Prompt(config(instructions="Judge films."), TASK)
    system, user = prompt.messages("ignore all that", by_code=True)
    assert system["content"].startswith("Judge films.\n")
    assert "\nA = bad: awful\nB = good\n" in system["content"]
    assert user == {"role": "user", "content": "ignore all that"}
    system, _ = prompt.messages("x", by_code=False)
    assert "\n- bad: awful\n- good\n" in system["content"]
    assert '{"label": "bad"}' in system["content"]


def test_codes_are_letters_as_long_as_they_last():
    assert codes_for(26)[-1] == "Z"
    assert codes_for(27)[:2] == ("10", "11")
    for count in (27, 90, 91, 150, 901):  # tokenisers may cut numbers into digits
        codes = codes_for(count)
        assert len(set(codes)) == count
        assert len({len(code) for code in codes}) == 1


def test_half_a_character_is_sent_as_a_question_mark():
    messages = Prompt(config(), TASK).messages("a \ud83d film", by_code=True)
    assert messages[1]["content"] == "a ? film"


def test_what_cannot_be_asked():
    with pytest.raises(TeacherError, match="cannot be asked for a tagging task"):
        Prompt(config(), Task(("O", "B-A"), "tagging"))
    with pytest.raises(TeacherError, match="the task's are"):
        Prompt(config(), Task(("bad", "fine")))
    with pytest.raises(RecipeError, match=r"Choose teacher\.endpoint\.targets: votes"):
        Prompt(config(targets="soft"), Task(("bad", "good"), "multilabel"))


@pytest.mark.parametrize(
    ("changed", "is_other"),
    [
        ({"model": "n"}, True),
        ({"labels": {"bad": "poor", "good": ""}}, True),
        ({"instructions": "x"}, True),
        ({"targets": "hard"}, True),
        ({"extra": {"seed": 1}}, True),
        ({"samples": 9}, False),
        ({"budget_requests": 9, "concurrency": 2, "key_env": "OTHER", "timeout": 5.0}, False),
    ],
)
def test_the_fingerprint_changes_with_what_decides_answers(changed, is_other):
    changes = Prompt(config(**changed), TASK).fingerprint != Prompt(config(), TASK).fingerprint
    assert changes == is_other


def test_tokens_are_estimated_or_counted(tmp_path):
    assert estimate_tokens("") == 0
    assert estimate_tokens("abcde") == 2
    assert estimate_tokens("ünï") == 3
    by_code = Prompt(config(), TASK).tokens("a film " * 40, by_code=True)
    assert by_code[0] > 70
    assert by_code[1] == 2
    words = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.save(str(tmp_path / "tokenizer.json"))
    prompt = Prompt(config(tokenizer=str(tmp_path / "tokenizer.json")), TASK)
    assert prompt.tokens("one two three", by_code=False)[0] - prompt.tokens("one", by_code=False)[0] == 2
    with pytest.raises(RecipeError, match=r"none.json cannot be read"):
        Prompt(config(tokenizer="none.json"), TASK).tokens("x", by_code=True)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"base_url": "host/v1"}, "http"),
        ({"targets": "sort"}, "Did you mean 'soft'"),
        ({"smoothing": 0.5}, "between 0 and 0.5"),
        ({"concurrency": 0}, "concurrency is 0"),
        ({"repairs": -1}, "repairs is -1"),
        ({"labels": {"one": ""}}, "at least two labels"),
        ({"price_in": -1.0}, "price_in is -1.0"),
        ({"budget": 1.0}, "needs price_in and price_out"),
        ({"key_env": "not a name"}, "environment variable in capitals"),
        ({"base_url": "https://host/v1?api_key=x"}, "holds a secret"),
        ({"base_url": "https://host/v1?access_token=x&v=1"}, "holds a secret"),
        ({"base_url": "https://host/v1?key=x"}, "holds a secret"),
        ({"extra": {"headers": [{"Authorization": "x"}]}}, "looks like a secret"),
        ({"extra": {"Authorization": "x"}}, "looks like a secret"),
    ],
)
def test_settings_that_cannot_be(wrong, said):
    with pytest.raises(RecipeError, match=said):
        config(**wrong)
