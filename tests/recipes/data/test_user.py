"""Data from the user's own function: every form that it may return, and where it fails."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from recipes.config import Config
from recipes.data import user
from recipes.data.base import Data
from recipes.data.source import Source
from recipes.errors import DataError

HEAD = """
import numpy as np
import pandas as pd
x, y = np.arange(40.0).reshape(20, 2), np.arange(20) % 2
"""


@pytest.fixture(autouse=True)
def clean_imports(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in ("my", "my_data", "configured", "here_is_data"):
        sys.modules.pop(name, None)


@pytest.fixture
def load(tmp_path):
    def load(body: str, **settings: str) -> Source | Data:
        path = tmp_path / "my_data.py"
        path.write_text(f"{HEAD}\ndef load():\n    {body}\n")
        chosen = {f"data.{name}": value for name, value in settings.items()}
        return user.load(f"{path}:load", Config.model_validate({}).replace(chosen))

    return load


@pytest.mark.parametrize(
    ("body", "sizes"),
    [
        ("return x, y", {"train": 20}),
        ("return [x.tolist(), y.tolist()]", {"train": 20}),
        ("return x, y, y", {"train": 20}),
        ("return (x, y), (x[:5], y[:5])", {"train": 20, "test": 5}),
        ("return (x, y), (x[:4], y[:4]), (x[:5], y[:5])", {"train": 20, "validation": 4, "test": 5}),
        ("return {'x': x, 'y': y}", {"train": 20}),
        ("return {'x_train': x, 'y_train': y, 'x_test': x[:5], 'y_test': y[:5]}", {"train": 20, "test": 5}),
        ("return pd.DataFrame(x, columns=['a', 'b']), pd.Series(y, name='kind')", {"train": 20}),
        ("return pd.DataFrame(x), y", {"train": 20}),
    ],
)
def test_forms_that_a_function_may_return(load, body: str, sizes: dict[str, int]):
    source = load(body)
    assert {name: len(part) for name, part in source.parts.items()} == sizes
    assert source.name == "load"


def test_groups_may_come_third(load):
    assert load("return x, y, y").parts["train"].groups.tolist() == [0, 1] * 10


def test_a_frame_needs_a_target(load):
    body = "return pd.DataFrame({'a': x[:, 0], 'kind': y})"
    assert load(body, target="kind").parts["train"].y.tolist() == [0, 1] * 10
    with pytest.raises(DataError, match="say which column"):
        load(body)


def test_data_is_taken_as_it_is(load):
    body = "import recipes; return recipes.load_data('digits')"
    assert isinstance(load(body), Data)


def test_a_function_may_ask_for_the_configuration(tmp_path):
    (tmp_path / "configured.py").write_text(
        f"{HEAD}\ndef load(config):\n    return x[:config.data.batch_size], y[:config.data.batch_size]\n"
    )
    config = Config.model_validate({"data": {"batch_size": 8}})
    assert len(user.load(f"{tmp_path}/configured.py:load", config).parts["train"]) == 8


def test_a_module_is_found_from_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "here_is_data.py").write_text(f"{HEAD}\ndef load():\n    return x, y\n")
    monkeypatch.chdir(tmp_path)
    assert len(user.load("here_is_data:load", Config.model_validate({})).parts["train"]) == 20


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return 1 / 0", r"ZeroDivisionError: division by zero at .*my_data\.py:7"),
        ("raise ValueError('two\\nlines')", r"ValueError: two lines at .*:7"),
        ("return np.zeros(3).reshape(2)", r"ValueError: cannot reshape .*my_data\.py:7"),
        ("return None", "returns NoneType; return "),
        ("return x", "returns ndarray"),
        ("return x, y[:3]", "x has 20 samples, and y 3"),
        ("return {'a': x}", "no array 'x'"),
        ("return [[1], [1, 2]], [0, 1]", "x is no array"),
        ("return (x, y), (x[:, 1:], y)", "the samples of the splits differ"),
        ("return pd.DataFrame(x), y[:2]", "20 rows, and the target 2"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(load, tmp_path, body: str, says: str):
    with pytest.raises(DataError, match=says) as caught:
        load(body)
    assert str(caught.value).startswith(f"{tmp_path}/my_data.py:load: ")
    assert "\n" not in str(caught.value)


def test_settings_of_tables_are_refused_where_there_is_none(load):
    with pytest.raises(DataError, match=r"data\.target and data\.ignore are for tables"):
        load("return x, y", target="a")


@pytest.mark.parametrize(
    ("text", "name", "says"),
    [
        ("x = (", "my.py:load", r"SyntaxError: .* at .*my\.py:1"),
        ("import no_such_thing", "my.py:load", r"ModuleNotFoundError: .*no_such_thing.* at .*my\.py:1"),
        ("raise SystemExit(3)", "my.py:load", r"SystemExit: 3 at .*my\.py:1"),
        ("def other(): ...", "my.py:load", "has no function 'load'; it has other"),
        ("load = 3", "my.py:load", "has no function 'load'"),
        ("", "no.py:load", "there is no file no.py"),
        ("", "no_module_here:load", "there is no module 'no_module_here'"),
        ("", "my.py:", "is not module:function"),
    ],
)
def test_a_module_that_cannot_be_imported_is_told(tmp_path, monkeypatch, text: str, name: str, says: str):
    monkeypatch.chdir(tmp_path)
    Path("my.py").write_text(text)
    with pytest.raises(DataError, match=says) as caught:
        user.load(name, Config.model_validate({}))
    assert "\n" not in str(caught.value)


DATASET = "import tensorflow as tf; dataset = tf.data.Dataset.from_tensor_slices((x, y)); "


@pytest.mark.keras
@pytest.mark.parametrize(
    ("body", "sizes"),
    [
        ("return dataset", {"train": 20}),
        ("return dataset.batch(6)", {"train": 20}),
        ("return dataset.batch(6, drop_remainder=True).unbatch().batch(32)", {"train": 18}),
        ("return dataset.batch(6), dataset.take(5)", {"train": 20, "test": 5}),
        ("return dataset.map(lambda x, y: (x, tf.where(y > 0, 'dog', 'cat')))", {"train": 20}),
    ],
)
def test_datasets_of_tensorflow_are_read_once(load, body: str, sizes: dict[str, int]):
    source = load(DATASET + body)
    assert {name: len(part) for name, part in source.parts.items()} == sizes
    part = source.parts["train"]
    assert part.x.numeric[:3].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert part.y[:2].tolist() in ([0, 1], ["cat", "dog"])


@pytest.mark.keras
@pytest.mark.parametrize("batch", ["", ".batch(32)"])
def test_samples_with_as_many_inputs_as_targets_are_told_from_batches(load, batch: str):
    body = (
        f"import tensorflow as tf; return tf.data.Dataset.from_tensor_slices((np.eye(3), np.eye(3)[:, :{{}}])){batch}"
    )
    with_two = load(body.format(2)).parts["train"]
    assert (with_two.x.numeric.shape, with_two.y.shape) == ((3, 3), (3, 2))
    if batch:
        assert load(body.format(3)).parts["train"].y.shape == (3, 3)
    else:
        with pytest.raises(
            DataError, match=r"begin with an axis of 3, in batches or not; return it with \.batch\(32\)"
        ):
            load(body.format(3))


@pytest.mark.keras
@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return dataset.repeat()", "never ends"),
        ("return dataset.batch(6, drop_remainder=True)", "begin with an axis of 6"),
        ("return dataset.map(lambda x, y: x)", "pairs"),
        ("return dataset.take(0)", "is empty"),
        ("return tf.data.Dataset.from_generator(lambda: ((np.zeros(n), 0) for n in (1, 2)), output_signature="
         "(tf.TensorSpec([None]), tf.TensorSpec([])))", "different shapes"),
    ],
)  # fmt: skip
def test_datasets_that_cannot_be_read_are_refused(load, body: str, says: str):
    with pytest.raises(DataError, match=says):
        load(DATASET + body)


@pytest.mark.keras
def test_a_dataset_larger_than_memory_is_refused(load, monkeypatch):
    monkeypatch.setattr("recipes.data.storage.available_memory", lambda: 1000)
    with pytest.raises(DataError, match=r"save it as an \.npz"):
        load(DATASET + "return dataset")
