from dataclasses import replace

import pytest

from understudy.augment import build_pool
from understudy.augment.charts import draw, save_page, save_picture
from understudy.augment.inspection import inspect_pool
from understudy.errors import RecipeError


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes]


def test_bars_are_what_each_step_left_and_removed(inspection):
    found, _ = inspection
    steps, lengths, labels = draw(found).axes
    left, removed = steps.containers
    assert [bar.get_width() for bar in left] == [step.after for step in found.steps]
    assert [bar.get_width() for bar in removed] == [sum(step.removed.values()) for step in found.steps]
    assert [tick.get_text() for tick in steps.get_yticklabels()] == ["given", "masking", "length"]
    assert len(lengths.lines) == 3
    assert sum(lengths.lines[0].get_ydata()) == pytest.approx(1.0)
    assert [bar.get_width() for bar in labels.containers[0]] == [1.0, 0.0]


def test_without_labels_there_are_two_panels(inspection, sentences):
    assert titles(draw(inspection[0])) == ["Texts after each step", "Lengths", "Labels"]
    bare = inspect_pool(build_pool(sentences), [])
    assert titles(draw(bare)) == ["Texts after each step", "Lengths"]
    only_pool = replace(inspection[0], labelled_balance={})
    assert titles(draw(only_pool))[-1] == "Labels"


@pytest.mark.parametrize(("suffix", "head"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_pictures_have_the_format_of_their_suffix(inspection, tmp_path, suffix, head):
    save_picture(inspection[0], tmp_path / f"pool{suffix}")
    assert (tmp_path / f"pool{suffix}").read_bytes().startswith(head)


def test_another_suffix_is_refused(inspection, tmp_path):
    with pytest.raises(RecipeError, match=r"picture format '\.pgn'.*\.png"):
        save_picture(inspection[0], tmp_path / "pool.pgn")


def test_a_folder_that_is_not_there_is_named(inspection, tmp_path):
    with pytest.raises(RecipeError, match=r"no folder .*nowhere for the picture pool\.png"):
        save_picture(inspection, tmp_path / "nowhere" / "pool.png")


def test_the_page_stands_alone_and_escapes_texts(inspection, tmp_path):
    found = replace(inspection[0], survivors=("<b>rain</b> & more", ("one", "other")))
    save_page(found, tmp_path / "pool.html")
    page = (tmp_path / "pool.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 1
    assert "&lt;b&gt;rain&lt;/b&gt; &amp; more" in page
    assert "<b>rain" not in page
    assert "one | other" in page
    assert f"Pool of {found.final.texts:,} texts" in page
    assert "<script" not in page
    save_page(found, tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == page
