from understudy.data.labels import Labelled
from understudy.data.parse import rewrite


def split(*tags):
    return Labelled([tuple(f"w{n}" for n in range(len(row))) for row in tags], list(tags))


def test_iob1_becomes_bio():
    data = split(("I-X", "I-X", "O", "I-Y"), ("O", "B-X", "I-X"), ("I-X", "B-X", "O"))
    found, count = rewrite(data)
    assert found.labels == [("B-X", "I-X", "O", "B-Y"), ("O", "B-X", "I-X"), ("B-X", "B-X", "O")]
    assert found.texts == data.texts
    assert count == 2


def test_other_schemes_stay():
    for tags in (("B-X", "I-X", "O"), ("NOUN", "VERB"), ("S-X", "I-X", "E-X"), ("I-X", "NOUN")):
        data = split(tags)
        assert rewrite(data) == (data, 0)
