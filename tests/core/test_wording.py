import pytest

from understudy.core.wording import plural, with_article


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 texts"), (1, "1 text"), (2, "2 texts"), (12345, "12,345 texts")]
)
def test_only_one_is_singular(count, shown):
    assert plural(count, "text") == shown


def test_an_odd_plural_is_given():
    assert plural(2, "category", "categories") == "2 categories"
    assert plural(1, "category", "categories") == "1 category"


def test_the_article_fits_the_noun():
    assert [with_article(noun) for noun in ("int", "list", "OrderedDict")] == [
        "an int",
        "a list",
        "an OrderedDict",
    ]
