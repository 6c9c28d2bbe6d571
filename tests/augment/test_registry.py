import re
import subprocess
import sys
from pathlib import Path

import pytest

from understudy import augment
from understudy.augment import build_pool, known_steps, read_steps, step
from understudy.augment.neural.back_translate import BackTranslateConfig
from understudy.augment.neural.mlm import MlmConfig
from understudy.augment.registry import FILTER, MODEL, RULES, STEPS, register, spec
from understudy.augment.rules.mask_swap_ngram import MaskingConfig
from understudy.errors import RecipeError
from understudy.pipeline.recipe import Recipe


def test_every_step_of_the_design_is_here():
    steps = known_steps()
    assert list(steps) == sorted(steps)
    kinds = {kind: {n for n, s in steps.items() if s.kind == kind} for kind in (RULES, MODEL, FILTER)}
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
    with pytest.raises(RecipeError, match=r"masking\.p must be a number, but is 'much'\."):
        step("masking", {"p": "much"})
    with pytest.raises(RecipeError, match="p_mask is 3"):
        step("masking", {"p": 3})
    with pytest.raises(RecipeError, match=r"mlm needs model\. Say so in a recipe: mlm: \{model: …\}"):
        step("mlm")


def test_configs_nest():
    options = {"there": "a", "back": "b", "mlm": {"model": "m", "passes": 2}}
    assert step("back-translate", options).config == BackTranslateConfig("a", "b", MlmConfig("m", passes=2))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("masking", {"passes": 1.5}, "masking.passes must be a whole number, but is 1.5."),
        ("masking", {"passes": "1" * 5000}, "masking.passes must be a whole number, but is '111"),
        ("masking", {"passes": [1]}, "masking.passes must be a whole number, but is of type list."),
        ("balance", {"oversample": "perhaps"}, "balance.oversample must be true or false, but is 'perhaps'."),
        ("masking", {"mask": 3}, "masking.mask must be text, but is 3."),
        ("merge", {"sources": "sst2"}, "merge.sources must be a list, but is 'sst2'."),
        ("merge", {"sources": ["a", 3]}, "merge.sources.1 must be text, but is 3."),
        ("back-translate", {"there": "a", "back": "b", "mlm": 3}, "mlm must be names with values, but is 3."),
        (
            "back-translate",
            {"there": "a", "back": "b", "mlm": {}},
            "back-translate.mlm needs model. Say so in a recipe: mlm: {model: …}",
        ),
        (
            "back-translate",
            {"there": "a", "back": "b", "mlm": {"model": "m", "pass": 1}},
            "back-translate.mlm has no option 'pass'. Did you mean 'passes'?",
        ),
    ],
)
def test_the_words_of_the_library_that_checks_types_reach_nobody(name, options, message):
    with pytest.raises(RecipeError) as refused:
        step(name, options)
    assert message in str(refused.value)
    assert "nput should" not in str(refused.value)


def test_a_recipe_lists_names_or_names_with_options():
    steps = read_steps(["masking", {"ngram": {"p": 0.5}}, {"length": None}])
    assert [s.name for s in steps] == ["masking", "ngram", "length"]
    assert steps[1].config.p == 0.5
    with pytest.raises(RecipeError, match="one name with its options"):
        read_steps([{"masking": {}, "ngram": {}}])


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (3, "3 is neither"),
        (None, "None is neither"),
        ({1: {}}, "1 is not a name"),
        ({"masking": 3}, "The options of the step 'masking' must be .* but are of type int"),
        ({"masking": ["p"]}, "but are of type list"),
        ({"masking": {1: 2}}, "masking has no option '1'"),
        ({"masking": {"of": 3}}, "Unknown masking.of '3'"),
    ],
)
def test_entries_that_are_not_steps_are_refused_in_a_sentence(entry, message):
    with pytest.raises(RecipeError, match=message):
        read_steps([entry])


def test_what_a_step_reads_is_registered():
    steps = known_steps()
    assert [name for name, entry in steps.items() if entry.needs_teacher] == ["balance", "confidence"]
    assert [name for name, entry in steps.items() if entry.needs_labels] == ["paraphrase"]


def test_an_error_shows_no_options_as_a_whole():
    with pytest.raises(RecipeError) as refused:
        step("masking", {"p": 3, "mask": "pasted by mistake"})
    assert "pasted" not in str(refused.value)


TOY = """
from dataclasses import dataclass
from typing import ClassVar

from understudy.augment.registry import MODEL, register
from understudy.core.checks import STRICT


@dataclass(frozen=True)
class ShoutConfig:
    __pydantic_config__: ClassVar = STRICT

    mark: str = "!"


@register("shout", MODEL, config=ShoutConfig, source="")
def shout(config, items, tools):
    yield [text.upper() + config.mark for text in items]
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A step in a file of its own, put beside ours; nothing else is told of it."""
    (tmp_path / "toy_step.py").write_text(TOY)
    monkeypatch.setattr(augment, "__path__", [*augment.__path__, str(tmp_path)])
    yield
    STEPS.pop("shout", None)
    sys.modules.pop("understudy.augment.toy_step", None)
    vars(augment).pop("toy_step", None)


def test_one_file_adds_a_step(toy):
    assert step("shout").config.mark == "!"
    assert "shout" in known_steps()
    with pytest.raises(RecipeError, match=r"shout has no option 'marks'. Did you mean 'mark'\?"):
        step("shout", {"marks": 1})
    with pytest.raises(RecipeError, match=r"Unknown step 'shoot'. Did you mean 'shout'\?"):
        step("shoot")


def test_the_added_step_runs_from_a_recipe(toy):
    recipe = Recipe.model_validate({"data": {"source": "x.csv"}, "augment": [{"shout": {"mark": "?"}}]})
    pool = build_pool(["a", "b"], steps=read_steps(recipe.augment))
    assert pool.items == ("A?", "B?")


def test_the_step_of_the_documentation_works(tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "augment.md").read_text(encoding="utf-8")
    (block,) = [
        part for part in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "DigitsConfig" in part
    ]
    (tmp_path / "digits_step.py").write_text(block)
    monkeypatch.setattr(augment, "__path__", [*augment.__path__, str(tmp_path)])
    try:
        pool = build_pool([], ["no digit", "1 digit", "22 or 3"], read_steps([{"digits": {"most": 1}}]))
        assert pool.items == ("no digit", "1 digit")
        assert pool.reports[-1].removed == {"more than 1 digits": 1}
    finally:
        STEPS.pop("digits", None)
        sys.modules.pop("understudy.augment.digits_step", None)
        vars(augment).pop("digits_step", None)


def test_looking_up_a_step_imports_neither_torch_nor_matplotlib():
    code = """
import sys
import understudy.augment
assert "understudy.augment.merge" not in sys.modules
understudy.augment.known_steps()
print(sorted({"torch", "transformers", "matplotlib", "sklearn", "scipy"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
