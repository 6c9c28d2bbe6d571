import pytest

from understudy.cli import extras
from understudy.cli.verbs import BASE, OTHERS, STAGES, spelled_out
from understudy.errors import MissingExtraError, RecipeError


def test_without_training_the_help_says_what_there_is(capsys):
    extras.without_training(["--help"])
    said = capsys.readouterr().out
    assert "predict  Answer texts" in said
    assert "understudy[train]" in said
    assert "Exit codes: 0 done" in said


@pytest.mark.parametrize("verb", [*STAGES, *OTHERS])
def test_a_verb_that_trains_says_what_to_install(verb):
    with pytest.raises(MissingExtraError, match=rf"predict and info.*'{verb}'.*understudy\[train\]"):
        extras.without_training([verb, "x"])


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ("distil", r"There is no verb 'distil'\. Did you mean 'distill'\?"),
        ("--versoin", "no option '--versoin'.*'--version'"),
    ],
)
def test_what_is_mistyped_is_a_usage_error_with_a_suggestion(first, message):
    with pytest.raises(RecipeError, match=message):
        extras.without_training([first])


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(extras, "TRAINING_MODULES", ("json", "no_such_module"))
    with pytest.raises(MissingExtraError, match=r"not installed: no_such_module\. .*understudy\[train\]"):
        extras.need_training()


def test_every_verb_is_in_one_group():
    assert len({**STAGES, **BASE, **OTHERS}) == len(STAGES) + len(BASE) + len(OTHERS)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ([], ["--help"]),
        (["help"], ["--help"]),
        (["help", "train"], ["train", "--help"]),
        (["info"], ["info"]),
    ],
)
def test_help_is_a_word_too(typed, meant):
    assert spelled_out(typed) == meant
