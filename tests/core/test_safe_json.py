import pytest

from understudy.core.safe_json import JsonError, parse_json

DEEP = "[" * 100_000 + "]" * 100_000
LONG = "9" * 5_000


def test_json_is_parsed():
    assert (
        parse_json('{"a": [1, 2.5, null]}') == parse_json(b'{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}
    )


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ('{"a": 1,\n ]', r"not JSON \(.*, column 2\)", 2),
        ("", "not JSON", 1),
        (DEEP, "nested too deeply", None),
        (f'{{"a": {LONG}}}', "integer of more than 4,300 digits", None),
        (b'{"a": "\xe9"}', "byte 0xe9 is not UTF-8", None),
    ],
)
def test_what_cannot_be_parsed_is_one_kind_of_error(text, message, line):
    with pytest.raises(JsonError, match=message) as caught:
        parse_json(text)
    assert caught.value.line == line
