import pytest

from understudy.core.spans import Span, spans, to_bio


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ([], []),
        (["O", "O"], []),
        (["B-A", "I-A", "O", "B-B"], [("A", 0, 2), ("B", 3, 4)]),
        (["B-A", "B-A"], [("A", 0, 1), ("A", 1, 2)]),
        (["I-A", "I-A", "B-A", "I-B"], [("A", 0, 2), ("A", 2, 3), ("B", 3, 4)]),  # IOB1
        (["B-A", "I-B"], [("A", 0, 1), ("B", 1, 2)]),
        (["S-A", "B-A", "I-A", "E-A", "I-A"], [("A", 0, 1), ("A", 1, 4), ("A", 4, 5)]),  # BIOES
        (["O", "E-A", "O"], [("A", 1, 2)]),
        (["B-X-Y", "I-X-Y"], [("X-Y", 0, 2)]),
    ],
)
def test_spans(tags: list[str], expected: list[tuple[str, int, int]]) -> None:
    assert spans(tags) == [Span(*each) for each in expected]


@pytest.mark.parametrize(
    ("tags", "bio"),
    [
        (["I-A", "I-A", "B-A", "O", "I-B"], ["B-A", "I-A", "B-A", "O", "B-B"]),
        (["B-A", "E-A", "S-A"], ["B-A", "I-A", "B-A"]),
    ],
)
def test_any_scheme_becomes_bio(tags: list[str], bio: list[str]) -> None:
    assert to_bio(tags) == bio
    assert to_bio(bio) == bio
    assert spans(bio) == spans(tags)
