import pytest

from understudy.augment import STEPS, read_steps, step
from understudy.augment.configs import BackTranslateConfig, MaskingConfig, MlmConfig
from understudy.augment.registry import FILTER, MODEL, RULES, listing, register, spec
from understudy.errors import RecipeError


def test_every_step_of_the_design_is_here():
    kinds = {kind: {n for n, s in STEPS.items() if s.kind == kind} for kind in (RULES, MODEL, FILTER)}
    assert kinds[RULES] == {"masking", "pos-swap", "ngram", "rules", "eda"}
    assert kinds[MODEL] == {"mlm", "generate", "back-translate", "paraphrase", "merge", "sentences"}
    assert kinds[FILTER] == {"length", "balance", "confidence", "near-duplicates", "domain"}


def test_a_wrong_name_suggests_the_right_one():
    with pytest.raises(RecipeError, match=r"Unknown step 'maskin'. Did you mean 'masking'\?"):
        spec("maskin")


def test_a_name_is_given_once():
    with pytest.raises(RecipeError, match="a step 'masking' already"):
        register("masking", RULES, config=MaskingConfig, source="")(lambda *a: None)


def test_options_are_checked():
    assert step("masking", {"p": 0.2}).config == MaskingConfig(p=0.2)
    with pytest.raises(RecipeError, match=r"masking has no option 'pass'. Did you mean 'passes'\?"):
        step("masking", {"pass": 3})
    with pytest.raises(RecipeError, match=r"masking.p: .*Given: 'much'"):
        step("masking", {"p": "much"})
    with pytest.raises(RecipeError, match="p_mask is 3"):
        step("masking", {"p": 3})
    with pytest.raises(RecipeError, match=r"mlm needs model\. Say so in a recipe: mlm: \{model: …\}"):
        step("mlm")


def test_configs_nest():
    options = {"there": "a", "back": "b", "mlm": {"model": "m", "passes": 2}}
    assert step("back-translate", options).config == BackTranslateConfig("a", "b", MlmConfig("m", passes=2))


def test_a_recipe_lists_names_or_names_with_options():
    steps = read_steps(["masking", {"ngram": {"p": 0.5}}, {"length": None}])
    assert [s.name for s in steps] == ["masking", "ngram", "length"]
    assert steps[1].config.p == 0.5
    with pytest.raises(RecipeError, match="one name with its options"):
        read_steps([{"masking": {}, "ngram": {}}])


def test_the_listing_names_kinds_and_options():
    rows = {row["name"]: row for row in listing()}
    assert rows["masking"]["options"] == ["p", "passes", "mask"]
    assert [name for name, row in rows.items() if row["needs_teacher"]] == ["balance", "confidence"]
    assert [name for name, row in rows.items() if STEPS[name].needs_labels] == ["paraphrase"]


def test_an_error_shows_no_options_as_a_whole():
    with pytest.raises(RecipeError) as refused:
        step("masking", {"p": 3, "mask": "pasted by mistake"})
    assert "pasted" not in str(refused.value)
