from understudy.data.readers.problems import bad_rows, listed, shorten


def test_one_problem_is_one_line():
    assert str(bad_rows("a.csv", ["line 3: the text is empty"], "Mend it.")) == (
        "a.csv, line 3: the text is empty. Mend it."
    )


def test_five_problems_are_shown_and_the_rest_counted():
    message = str(bad_rows("a.csv", [f"line {n}: bad" for n in range(1, 8)], "Mend them."))
    assert message.splitlines() == [
        "a.csv has 7 problems:",
        *[f"  line {n}: bad" for n in range(1, 6)],
        "  and 2 more",
        "Mend them.",
    ]


def test_texts_are_shortened_to_one_line():
    assert shorten("a\n b") == "'a b'"
    assert shorten("x" * 99, 10) == repr("x" * 9 + "…")


def test_nothing_is_listed_as_nothing():
    assert listed([]) == "nothing"
    assert listed(["a", "b"]) == "'a', 'b'"
