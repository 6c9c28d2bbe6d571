import re
from html.parser import HTMLParser

import pytest

from understudy.report.html import render_html

from .sample import TASKS, document, make_report, make_report_of

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Checker(HTMLParser):
    """Collects tags, ids and text, and notes tags that are not closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.faults, self.ids, self.tags, self.attributes, self.text = [], [], [], set(), [], []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)

    def handle_data(self, data):
        self.text.append(data)


def parse(page):
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.faults == []
    assert checker.open == []
    return checker


@pytest.fixture(scope="module")
def page():
    return render_html(document(make_report() | {"recipe": {"students": ["cbow.v1"]}}))


def test_the_verdict_is_the_heading(page):
    heading = re.search(r"<h1>(.*?)</h1>", page)[1]
    assert heading.startswith("bilstm.v1 keeps 97 % of the teacher&#39;s accuracy at 1/33 of the size")
    assert "which is clearly better (the 95 % intervals do not overlap)" in page


def test_it_is_self_contained(page):
    checker = parse(page)
    assert "script" not in checker.tags
    assert "link" not in checker.tags
    for name, value in checker.attributes:
        assert not name.startswith("on")
        if name in {"src", "href", "xlink:href"}:
            assert value.startswith("#")
    urls = set(re.findall(r"https?://[^\s\"'<>)]+", page))
    assert urls <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "@import" not in page
    assert set(re.findall(r"url\((.)", page)) <= {"#"}


def test_it_is_accessible(page):
    checker = parse(page)
    assert len(checker.ids) == len(set(checker.ids))
    assert '<html lang="en">' in page
    assert not re.search(r"<th(?![^>]*scope=)[ >]", page)
    for svg in re.findall(r"<svg[^>]*>", page):
        assert "aria-label=" in svg or "aria-hidden=" in svg
    assert set(re.findall(r'href="#([a-z]+)"', page)) <= set(checker.ids)


def test_it_shows_every_part(page):
    text = " ".join(parse(page).text)
    for part in (
        "Ranking",
        "×85",
        "97.1 %",
        "2.76 MB",
        "+6.1 points",
        "Quality against latency",
        "Where it loses",
        "the student loses most F1 on lost key (14.6 points)",
        "the card stopped opening our door",
        "Confusions of",
        "Calibration",
        "Training",
        "dropped: train texts also in test",
        "stratified by label",
        "Label balance",
        "tokenisation included",
        "unchanged, skipped",
        "5 min 12 s",
        "numpy",
        "Recipe",
        "How to read it",
        "Limits",
    ):
        assert part in text, part
    assert page.count("<figure>") == 5
    assert page.count('aria-label="on the Pareto front"') == 5


def test_dark_mode_and_print_are_provided_for(page):
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_the_same_report_gives_the_same_page():
    assert render_html(document(make_report(3, 2))) == render_html(document(make_report(3, 2)))


def test_texts_from_users_are_escaped_everywhere():
    bad = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
    report = make_report(3, 6, name=bad)
    labels = [f"{bad}{i}" for i in range(3)]
    report["task"]["labels"] = labels
    report["data"].update(
        name=bad, source=bad, notes=[bad], dropped={bad: 1}, sizes={"test": 5, bad: 2},
        label_counts={split: dict.fromkeys(labels, 2) for split in ("train", "dev", "test")},
    )  # fmt: skip
    report["machine"].update(cpu=bad, os=bad, versions={bad: bad})
    report["stages"] = [{"name": bad, "seconds": 1.0, "skipped": False}]
    report["created"] = report["understudy_version"] = report["recipe"] = bad
    for row in report["rows"]:
        row["name"] += bad
        row["per_label_f1"] = dict(zip(labels, row["per_label_f1"].values(), strict=True))
    item = {"text": bad, "gold": bad, "teacher": bad, "student": bad, "teacher_confidence": None}
    report["disagreements"] = {bad: [item | {"student_confidence": 0.5}]}
    page = render_html(document(report))
    checker = parse(page)
    assert {"script", "img"} & checker.tags == set()
    assert not any(name.startswith("on") for name, _ in checker.attributes)
    assert "&lt;script&gt;" in page


def test_long_texts_are_shortened_and_kept_in_the_tooltip():
    report = make_report()
    report["disagreements"] = {
        "bilstm.v1": [report["disagreements"]["bilstm.v1"][0] | {"text": "word " * 5000}]
    }
    page = render_html(document(report))
    (shown,) = re.findall(r"<blockquote title=\"([^\"]*)\">([^<]*)<", page)
    assert len(shown[1]) <= 320
    assert shown[1].endswith("…")
    assert 320 < len(shown[0]) <= 2000


@pytest.mark.parametrize(("n_labels", "n_rows"), [(2, 1), (2, 2), (150, 12)])
def test_any_size_renders(n_labels, n_rows):
    page = render_html(document(make_report(n_labels, n_rows)))
    parse(page)
    if n_labels == 150:
        assert "the first 30 of 150 labels." in page
        assert "The other 138 labels" in page


def test_what_is_missing_is_said_to_be():
    report = make_report(n_rows=3)
    report["disagreements"], report["stages"] = {}, []
    for row in report["rows"]:
        row.update(dict.fromkeys(set(row) - {"name", "role", "metric", "score", "pareto"}))
    text = " ".join(parse(render_html(document(report))).text)
    for part in (
        "None were recorded.",
        "No latency was measured.",
        "No calibration was recorded.",
        "No stage was recorded.",
        "No training curves were recorded.",
        "No confusion matrix was recorded.",
        "F1 by label was not recorded.",
    ):
        assert part in text
    assert "None " not in text.replace("None were", "")
    assert "nan" not in text.split()


def test_a_report_of_students_alone_renders():
    report = make_report(n_rows=4)
    report["rows"] = [row for row in report["rows"] if row["role"] == "student"]
    parse(render_html(document(report)))


def test_disagreements_of_unknown_rows_are_shown_too():
    report = make_report(n_rows=2)
    report["disagreements"] = {"gone.v1": report["disagreements"]["cbow.v1"], "empty.v1": []}
    page = render_html(document(report))
    assert "<h3>gone.v1</h3>" in page
    assert "empty.v1" not in page


PAGES = ("multilabel", "regression", "bins", "tagging")
SECTIONS = {
    "loses": set(TASKS) - {"regression", "bins"},
    "confusion": set(TASKS) - {"regression", "bins", "multilabel"},
    "calibration": set(TASKS) - {"regression"},
    "gains": set(TASKS),
    "disagreements": set(TASKS),
}


@pytest.fixture(scope="module")
def pages():
    return {kind: render_html(document(make_report_of(kind, n_rows=2))) for kind in PAGES}


@pytest.mark.parametrize("kind", PAGES)
def test_every_kind_has_the_sections_it_can_have(pages, kind):
    checker = parse(pages[kind])
    for section, kinds in SECTIONS.items():
        assert (section in checker.ids) == (kind in kinds), section
    assert set(re.findall(r'href="#([a-z]+)"', pages[kind])) <= set(checker.ids)
    text = " ".join(" ".join(checker.text).split())
    assert "not recorded" not in text
    assert "None" not in text
    assert "Steps to converge" in text
    assert ("Thresholds of" in text) == (kind == "multilabel")


def test_a_page_on_tagging_speaks_of_sentences_words_and_spans(pages):
    text = " ".join(" ".join(parse(pages["tagging"]).text).split())
    for part in (
        "tagging with 3 kinds of span",
        "Span F1 with 95 % interval",
        "Sentences per second",
        "F1 by kind of span",
        "Test sentences that the two answer differently",
        "right: Ann Lee (GUEST), room 12 (ROOM)",
        "Words by right label (row)",
        "Words by tag",
        "11.8 µs for one sentence (p50)",
    ):
        assert part in text, part


def test_a_page_on_values_shows_no_shares_of_right_answers(pages):
    text = " ".join(" ".join(parse(pages["regression"]).text).split())
    for part in ("Pearson correlation with 95 % interval", "0.871 (0.853–0.888)", "Value balance", "+0.033"):
        assert part in text, part
    assert "✓" not in text
    assert "✗" not in text
    shown = re.findall(r'<th scope="row" class="label">([^<]*)<', pages["regression"])
    assert shown == ["0 to 1.25", "1.25 to 2.5", "2.5 to 3.75", "3.75 to 5"]  # in their own order


def test_what_was_decided_about_graphs_stands_with_the_conditions():
    report = make_report()
    report["rows"][2]["quantisation"] = "int8, which is <faster>"
    assert "<p>cnn.v1: int8, which is &lt;faster&gt;.</p>" in render_html(document(report))
