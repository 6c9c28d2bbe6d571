"""The registered steps: each a few lines from a config to the function that does the work.

Steps by models import their files, and with them torch, when they run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from understudy.augment import merge as merging
from understudy.augment import sentences as cutting
from understudy.augment.configs import (
    BackTranslateConfig,
    EdaConfig,
    GenerateConfig,
    MaskingConfig,
    MergeConfig,
    MlmConfig,
    NgramConfig,
    ParaphraseConfig,
    PosSwapConfig,
    RulesConfig,
    SentencesConfig,
)
from understudy.augment.filter_configs import (
    BalanceConfig,
    ConfidenceConfig,
    DomainConfig,
    LengthConfig,
    NearDuplicatesConfig,
)
from understudy.augment.filters import basic as filters
from understudy.augment.filters import similarity as likeness
from understudy.augment.filters.basic import Filtered
from understudy.augment.paraphrase import Paraphraser
from understudy.augment.registry import FILTER, MODEL, RULES, StepContext, register
from understudy.augment.rules.eda import eda_rule
from understudy.augment.rules.mask_swap_ngram import tang_rule
from understudy.augment.rules.parts_of_speech import PartsOfSpeech, TaggedByCallable, learn_classes, read_tags
from understudy.augment.rules.passes import Rule
from understudy.augment.rules.synonyms import read_vectors
from understudy.core.task import FloatArray, Item
from understudy.errors import RecipeError

_TANG = "Tang et al. 2019, section 3.2"
_NITYASYA = "Nityasya et al. 2022, section "


@register("rules", RULES, config=RulesConfig, source=_TANG)
def rules(config: RulesConfig, texts: Sequence[str], tools: StepContext) -> Rule:
    """All rules of Tang et al. in one pass."""
    parts = _parts_of_speech(config, texts, tools) if config.p_swap else None
    return tang_rule(config, texts, parts)


@register("masking", RULES, config=MaskingConfig, source=_TANG)
def masking(config: MaskingConfig, texts: Sequence[str], tools: StepContext) -> Rule:
    """Masked words."""
    return rules(config.rules, texts, tools)


@register("pos-swap", RULES, config=PosSwapConfig, source=_TANG)
def pos_swap(config: PosSwapConfig, texts: Sequence[str], tools: StepContext) -> Rule:
    """Words of the same part of speech."""
    return rules(config.rules, texts, tools)


@register("ngram", RULES, config=NgramConfig, source=_TANG)
def ngram(config: NgramConfig, texts: Sequence[str], tools: StepContext) -> Rule:
    """N-grams."""
    return rules(config.rules, texts, tools)


@register("eda", RULES, config=EdaConfig, source="Wei & Zou 2019, section 2")
def eda(config: EdaConfig, texts: Sequence[str], tools: StepContext) -> Rule:
    """Synonyms, insertion, swap, deletion."""
    return eda_rule(config, texts, tools.synonyms)


@register("merge", MODEL, config=MergeConfig, source=_NITYASYA + "3.3", is_source=True)
def merge(config: MergeConfig, items: Sequence[Item], tools: StepContext) -> Iterator[list[Item]]:  # noqa: ARG001
    """Texts of other data sets."""
    return merging.merge(config)


@register("sentences", MODEL, config=SentencesConfig, source="")
def sentences(config: SentencesConfig, items: Sequence[Item], tools: StepContext) -> Iterator[list[Item]]:  # noqa: ARG001
    """Sentences of longer texts."""
    return cutting.sentences(config, items)


@register("mlm", MODEL, config=MlmConfig, source="Jiao et al. 2020, Algorithm 1")
def mlm(config: MlmConfig, items: Sequence[Item], tools: StepContext) -> Iterator[list[Item]]:
    """Words refilled by a masked language model."""
    from understudy.augment.neural.mlm import substitute

    return substitute(config, items, seed=tools.seed, progress=tools.progress)


@register("generate", MODEL, config=GenerateConfig, source="Tang & Lin 2019")
def generate(config: GenerateConfig, items: Sequence[Item], tools: StepContext) -> Iterator[list[Item]]:
    """Texts sampled from a causal language model."""
    from understudy.augment.neural.generate import generate as sample

    return sample(config, items, seed=tools.seed, progress=tools.progress)


@register("back-translate", MODEL, config=BackTranslateConfig, source=_NITYASYA + "6.2")
def back_translate(
    config: BackTranslateConfig, items: Sequence[Item], tools: StepContext
) -> Iterator[list[Item]]:
    """Texts translated there and back."""
    from understudy.augment.neural.back_translation import back_translate as translate

    return translate(config, items, seed=tools.seed, progress=tools.progress)


@register("paraphrase", MODEL, config=ParaphraseConfig, source="", needs_labels=True)
def paraphrase(config: ParaphraseConfig, items: Sequence[Item], tools: StepContext) -> Iterator[list[Item]]:
    """Variants bought from a chat endpoint."""
    return Paraphraser(config, tools).make(items)


@register("length", FILTER, config=LengthConfig, source=_NITYASYA + "6.3")
def length(config: LengthConfig, items: Sequence[Item], tools: StepContext) -> Filtered:
    """Texts as long as labelled ones."""
    return filters.by_length(items, tools.labelled, config.by)


@register("balance", FILTER, config=BalanceConfig, source=_NITYASYA + "6.4", needs_teacher=True)
def balance(config: BalanceConfig, items: Sequence[Item], tools: StepContext) -> Filtered:
    """Labels of one size."""
    logits = _logits("balance", items, tools)
    return filters.by_balance(logits, by=config.by, oversample=config.is_oversampling, seed=tools.seed)


@register("confidence", FILTER, config=ConfidenceConfig, source="", needs_teacher=True)
def confidence(config: ConfidenceConfig, items: Sequence[Item], tools: StepContext) -> Filtered:
    """Texts of which the teacher is neither too sure nor too unsure."""
    return filters.by_confidence(_logits("confidence", items, tools), config.low, config.high)


@register("near-duplicates", FILTER, config=NearDuplicatesConfig, source="Broder 1997")
def near_duplicates(config: NearDuplicatesConfig, items: Sequence[Item], tools: StepContext) -> Filtered:
    """The first of texts that are nearly the same."""
    return likeness.near_duplicates(
        items,
        threshold=config.threshold,
        shingle=config.shingle,
        permutations=config.permutations,
        seed=tools.seed % 2**31,
    )


@register("domain", FILTER, config=DomainConfig, source="")
def domain(config: DomainConfig, items: Sequence[Item], tools: StepContext) -> Filtered:
    """Texts like the labelled ones."""
    vectors = read_vectors(config.vectors, config.most_vectors) if config.vectors else None
    return likeness.by_domain(items, tools.labelled, config.top, vectors)


def _parts_of_speech(config: RulesConfig, texts: Sequence[str], tools: StepContext) -> PartsOfSpeech:
    if tools.tagger is not None:
        return TaggedByCallable(tools.tagger)
    return read_tags(config.tags) if config.tags else learn_classes(texts, config.classes, tools.seed % 2**31)


def _logits(name: str, items: Sequence[Item], tools: StepContext) -> FloatArray:
    if tools.predict is None:
        raise RecipeError(
            f"The filter {name!r} reads the teacher's answers, but there is no teacher here. Leave it out, "
            "or give one that labels the texts."
        )
    return tools.predict(items)
