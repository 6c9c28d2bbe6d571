import pytest

from understudy.augment.sentences import SentencesConfig, cut_into_sentences, penn_spaced
from understudy.errors import DataError, RecipeError


def cut(text, **options):
    return next(cut_into_sentences(SentencesConfig(**{"fewest": 1, **options}), [text]))


def test_a_text_is_cut_where_sentences_end():
    text = 'It was late. "Who is there?" she said!  Nobody (as ever) knew... 7 men came in.'
    assert cut(text) == [
        "It was late.",
        '"Who is there?" she said!',
        "Nobody (as ever) knew...",
        "7 men came in.",
    ]


def test_closing_quotes_and_brackets_stay_with_their_sentence():
    text = 'He said "Stop." Then (it was late.) Nobody came. (Quite "so.") Well.'
    assert cut(text) == ['He said "Stop."', "Then (it was late.)", "Nobody came.", '(Quite "so.")', "Well."]


def test_no_cut_before_a_small_letter_or_inside_a_number():
    assert cut("He paid 3.50 for it, i.e. too much.") == ["He paid 3.50 for it, i.e. too much."]


def test_line_breaks_cut_in_any_case():
    assert cut("no stop here<br /><br>and none\nthere") == ["no stop here", "and none", "there"]


def test_letters_beyond_ascii_begin_a_sentence():
    assert cut("Es war spät. Über allem lag Schnee.") == ["Es war spät.", "Über allem lag Schnee."]


def test_too_short_and_too_long_sentences_are_left_out():
    assert cut("One two. One two three. One two three four five six.", fewest=4, most=6) == ["One two three."]


@pytest.mark.parametrize(
    ("text", "spaced"),
    [
        ("It isn't, no.", "It is n't , no ."),
        ("They've seen Bob's (old) U.S. film!", "They 've seen Bob 's ( old ) U.S. film !"),
        ('(He said "Stop.")', '( He said " Stop . " )'),
        ("well...  so --- be it", "well ... so -- - be it"),
    ],
)
def test_penn_spacing(text, spaced):
    assert penn_spaced(text) == spaced
    assert penn_spaced(spaced) == spaced


def test_spacing_is_an_option():
    assert cut("We can't.", is_penn_spaced=True) == ["We ca n't ."]


def test_pairs_are_refused():
    with pytest.raises(DataError, match="Leave the step out"):
        next(cut_into_sentences(SentencesConfig(), [("a", "b")]))


def test_bounds_that_cross_are_refused():
    with pytest.raises(RecipeError, match="at least 5 words and at most 4"):
        SentencesConfig(fewest=5, most=4)
