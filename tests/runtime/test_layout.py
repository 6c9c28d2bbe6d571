from pathlib import Path

from understudy.runtime.layout import FORMAT, Layout


def test_every_file_lies_in_the_folder_under_its_own_name():
    layout = Layout(Path("student"))
    names = [name for name, value in vars(Layout).items() if isinstance(value, property)]
    paths = [getattr(layout, name) for name in names]
    assert {path.parent for path in paths} == {Path("student")}
    assert len(set(paths)) == len(paths) == 10


def test_names_that_saved_folders_rely_on():
    layout = Layout(Path())
    names = {path.name for path in (layout.config, layout.tokenizer, layout.spelling, layout.onnx)}
    assert names == {"config.json", "tokenizer.json", "spelling.json", "model.onnx"}
    assert FORMAT >= 1
