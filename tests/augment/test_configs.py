import pytest
from pydantic import TypeAdapter, ValidationError

from understudy.augment import known_steps
from understudy.augment.filters.balance import BalanceConfig
from understudy.augment.filters.confidence import ConfidenceConfig
from understudy.augment.filters.domain import DomainConfig
from understudy.augment.filters.length import LengthConfig
from understudy.augment.filters.near_duplicates import NearDuplicatesConfig
from understudy.augment.merge import MergeConfig
from understudy.augment.neural.back_translate import BackTranslateConfig
from understudy.augment.neural.generate import GenerateConfig
from understudy.augment.neural.mlm import MlmConfig
from understudy.augment.rules.eda import EdaConfig
from understudy.augment.rules.mask_swap_ngram import MaskingConfig, NgramConfig, PosSwapConfig, RulesConfig
from understudy.errors import RecipeError


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RulesConfig(p_mask=1.2), "p_mask is 1.2"),
        (lambda: RulesConfig(p_mask=0.6, p_swap=0.6), r"p_mask \+ p_swap is 1.2"),
        (lambda: RulesConfig(passes=0), "passes is 0"),
        (lambda: RulesConfig(mask=" "), "mask is blank"),
        (lambda: MaskingConfig(p=-0.1), "p_mask is -0.1"),
        (lambda: PosSwapConfig(classes=0), "classes is 0"),
        (lambda: NgramConfig(longest=0), "longest is 0"),
        (lambda: EdaConfig(operations=("synonym",)), "Did you mean 'synonyms'"),
        (lambda: EdaConfig(operations=()), "operations is empty"),
        (lambda: EdaConfig(share=0.0), "share is 0"),
        (lambda: EdaConfig(synonyms="a", vectors="b"), "draws from one"),
        (lambda: EdaConfig(stop_words=-1), "stop_words is -1"),
        (lambda: MlmConfig("m", p=2.0), "p is 2.0"),
        (lambda: MlmConfig("m", candidates=0), "candidates is 0"),
        (lambda: GenerateConfig("m", top_p=1.5), "top_p is 1.5"),
        (lambda: GenerateConfig("m", epochs=-1), "epochs is -1"),
        (lambda: GenerateConfig("m", separator=" "), "separator is blank"),
        (lambda: BackTranslateConfig("a", "b", beams=0), "beams is 0"),
        (lambda: MergeConfig(()), "at least one source"),
        (lambda: MergeConfig(("sst2",), ("trial",)), "Unknown part 'trial'"),
        (lambda: LengthConfig("quartile"), "Did you mean 'quartiles'"),
        (lambda: BalanceConfig("mode"), "Unknown size of a label 'mode'"),
        (lambda: NearDuplicatesConfig(threshold=0.0), "threshold is 0.0"),
        (lambda: NearDuplicatesConfig(permutations=7), "permutations is 7"),
        (lambda: ConfidenceConfig(0.9, 0.1), "low is 0.9 and high is 0.1, but"),
        (lambda: DomainConfig(0), "top is 0"),
        (lambda: DomainConfig(5, by="bert"), "Unknown measure of likeness 'bert'"),
        (lambda: DomainConfig(5, by="vectors"), "go together"),
        (lambda: DomainConfig(5, vectors="v.txt"), "go together"),
    ],
)
def test_what_cannot_be_honoured_is_refused(make, message):
    with pytest.raises(RecipeError, match=message):
        make()


@pytest.mark.parametrize("name", known_steps())
def test_a_recipe_can_hold_every_config_and_unknown_options_are_refused(name):
    needed = {"model": "m", "base_url": "http://x/v1", "there": "a", "back": "b", "sources": ["s"], "top": 5}
    config = known_steps()[name].config
    given = {key: value for key, value in needed.items() if key in config.__dataclass_fields__}
    read = TypeAdapter(config).validate_python(given)
    assert isinstance(read, config)
    assert hash(read) == hash(TypeAdapter(config).validate_python(given))
    assert TypeAdapter(config).validate_json(TypeAdapter(config).dump_json(read)) == read
    with pytest.raises(ValidationError, match="nonsense"):
        TypeAdapter(config).validate_python({**given, "nonsense": 1})
