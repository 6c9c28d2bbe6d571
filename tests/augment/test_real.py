"""On public data, where it is: what the rules make of SST-2."""

from understudy.augment import build_pool, normalise_held_out, read_steps
from understudy.augment.dedup import normalise_item
from understudy.data import load_dataset


def test_the_rules_make_no_text_of_dev_or_test(shared_data):
    dataset = load_dataset(shared_data("sst2"))
    judges = normalise_held_out([*dataset.dev.texts, *dataset.test.texts])
    pool = build_pool(dataset.train.texts, (), read_steps([{"rules": {"passes": 3}}]), held_out=judges)
    assert len(pool) > 15_000
    assert judges.isdisjoint(map(normalise_item, pool.items))
    assert judges.isdisjoint(map(normalise_item, dataset.train.texts))
    assert pool.reports[1].removed["stands in dev or test"] > 0  # n-grams of one word, such as a test text is
