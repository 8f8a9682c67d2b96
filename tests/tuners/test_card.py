"""The model card: front matter that parses, code that runs, facts that are told, names that do no harm."""

import re
from dataclasses import replace

import keras
import numpy as np
import pytest
import yaml

from recipes.config import Config
from recipes.data.base import Column
from recipes.task import Facts, Inputs, Kind, Task
from tuners.card import CardFacts, render, usage, write
from tuners.score import Evaluation, Score, evaluate

pytestmark = pytest.mark.keras

NAMES = ("setosa", "versicolor", "virginica")
IRIS = Facts(
    "iris",
    Inputs("vector", (4,)),
    Task(Kind.MULTICLASS, NAMES, (30, 30, 30)),
    {"train": 90, "validation": 30, "test": 30},
    notes=("2 rows without a target were left out",),
)
CENTIMETRES = tuple(Column(name) for name in ("sepal length", "sepal width", "petal length", "petal width"))


def evaluation_of(task, n=30):
    generator = np.random.default_rng(0)
    if task.kind is Kind.REGRESSION:
        y = generator.normal(size=(n, task.units))
        return evaluate(y + 0.1 * generator.normal(size=y.shape), y, task)
    if task.kind is Kind.MULTILABEL:
        return evaluate(generator.random((n, task.units)), generator.integers(0, 2, (n, task.units)), task)
    classes = len(task.names)
    y = np.arange(n) % classes
    guesses = np.where(generator.random(n) < 0.8, y, (y + 1) % classes)
    return evaluate(guesses[:, None] if task.kind is Kind.BINARY else np.eye(classes)[guesses], y, task)


def card_of(facts=IRIS, columns=CENTIMETRES, recipe="mlp", **changes):
    card = CardFacts(
        name="mlp-iris-1",
        config=Config(recipe=recipe).replace({"optimizer.learning_rate": 0.01, "model.width": 32}),
        facts=facts,
        evaluation=changes.pop("evaluation", None) or evaluation_of(facts.task),
        verdict="warning",
        summary="The validation loss rises while the training loss falls.",
        parameters=1234,
        epochs=12,
        best_epoch=7,
        seconds=34.5,
        device="1 x CPU",
        findings=("overfitting from epoch 8 on",),
        columns=columns,
        versions={"keras": "3.15.0", "python": "3.11.9"},
        pictures={"test.png": "Confusion matrix of the test samples"},
        files={"report.html": "the diagnosis"},
    )
    return replace(card, **changes)


def front_matter(text):
    return yaml.safe_load(text.split("---\n")[1])


def sections(text):
    """Return heading -> text below it."""
    parts = re.split(r"^#+ (.*)$", text.split("---\n", 2)[2], flags=re.MULTILINE)
    return dict(zip(parts[1::2], map(str.strip, parts[2::2]), strict=True))


class TestFrontMatter:
    def test_says_what_the_hub_asks_for(self):
        front = front_matter(render(card_of()))
        assert front["library_name"] == "keras"
        assert front["pipeline_tag"] == "tabular-classification"
        assert front["tags"] == ["keras", "kerasdx", "mlp", "multiclass"]
        assert front["metrics"] == ["accuracy", "f1", "precision", "recall", "log_loss"]
        (result,) = front["model-index"][0]["results"]
        assert result["dataset"] == {"name": "iris", "type": "iris", "split": "test"}
        assert result["metrics"][0]["type"] == "accuracy"
        assert result["metrics"][0]["value"] == pytest.approx(card_of().evaluation.main.value, rel=1e-5)

    def test_a_model_without_a_score_claims_none(self):
        broken = evaluate(np.full((30, 3), np.nan), np.zeros(30), IRIS.task)
        text = render(card_of(evaluation=broken))
        assert "model-index" not in front_matter(text)
        assert "**accuracy not finite**" in text
        assert "do not use it" in sections(text)["Known limits"]

    @pytest.mark.parametrize("name", ["a: b", "- x", "'\"", "---\nevil: yes", "\ud800", "é 🚀", "{{ x }}"])
    def test_any_name_parses(self, tmp_path, name):
        write(tmp_path / "README.md", card_of(facts=replace(IRIS, name=name), name=name))
        text = (tmp_path / "README.md").read_text(encoding="utf-8")
        assert "evil" not in front_matter(text)
        assert front_matter(text)["library_name"] == "keras"


class TestText:
    def test_the_score_and_its_interval(self):
        main = card_of().evaluation.main
        said = sections(render(card_of()))
        assert f"accuracy {main.value:.4g} (95 % interval {main.low:.4g} to {main.high:.4g})" in said["mlp-iris-1"]
        assert f"| accuracy | {main.value:.4g} | {main.low:.4g} to {main.high:.4g} (95 %) |" in said["Score"]
        assert "![Confusion matrix of the test samples](<test.png>)" in said["Score"]

    def test_the_data(self):
        said = sections(render(card_of()))["Data"]
        assert "iris: 90 for training, 30 for validation, 30 for the test." in said
        assert "| `virginica` | 30 |" in said
        assert "2 rows without a target were left out" in said

    def test_the_training_and_how_to_repeat_it(self):
        said = sections(render(card_of()))["Training"]
        assert said.startswith("12 epochs in 34 s on 1 x CPU; the weights are those of epoch 8.")
        assert "| `optimizer.learning_rate` | `0.01` |" in said
        assert "| `model.width` | `32` |" in said
        assert "model.depth" not in said  # the usual one
        assert "tune train --config config.yaml" in said
        assert said.endswith("keras 3.15.0, python 3.11.9")

    def test_where_the_data_lay_is_nobody_s_business(self):
        config = card_of().config.replace({"data.source": "/home/me/secret/iris.csv"})
        assert "secret" not in render(card_of(config=config))

    def test_the_diagnosis(self):
        said = sections(render(card_of()))["Health"]
        assert "**warning**. The validation loss rises" in said
        assert "- overfitting from epoch 8 on" in said

    def test_limits_are_those_that_the_numbers_show(self):
        said = sections(render(card_of()))["Known limits"]
        assert said.startswith("- It does worst at `")
        rare = replace(IRIS, task=replace(IRIS.task, counts=(60, 20, 10)))
        said = sections(render(card_of(facts=rare)))["Known limits"]
        assert "The largest class has 6 times the training samples of the smallest" in said

    def test_where_nothing_is_known_nothing_is_said(self):
        facts = Facts("prices", Inputs("vector", (2,)), Task(Kind.REGRESSION, ("price",)))
        text = render(card_of(facts=facts, columns=(), files={}, findings=()))
        assert "Known limits" not in text
        assert "## Files" not in text

    def test_many_classes_and_columns_are_cut(self):
        names = tuple(f"class {i}" for i in range(300))
        facts = replace(IRIS, task=Task(Kind.MULTICLASS, names, (10,) * 300))
        text = render(card_of(facts=facts, columns=tuple(Column(f"c{i}") for i in range(500))))
        assert "450 more columns follow" in text
        assert "250 more are left out." in text
        assert len(text.splitlines()) < 300


EVIL = "<img src=x onerror=alert(1)> | [a](http://b) ``` **x** \n# heading"


class TestNamesDoNoHarm:
    def test_in_text_tables_and_code(self):
        task = Task(Kind.MULTICLASS, (EVIL, "b", "c"), (30, 30, 30))
        columns = (Column(EVIL), *CENTIMETRES[1:])
        text = render(card_of(facts=replace(IRIS, name=EVIL, task=task, notes=(EVIL,)), columns=columns, name=EVIL))
        outside_code = re.sub(r"(?ms)^(`{3,})\w*\n.*?^\1$", "", text)
        outside_code = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", outside_code.split("---\n", 2)[2])
        assert "<img" not in outside_code
        assert "](http" not in re.sub(r"\\.", "", outside_code)
        assert not re.search(r"^# heading", text, flags=re.MULTILINE)

    def test_code_with_such_names_is_still_code(self):
        task = Task(Kind.MULTICLASS, (EVIL, "'; raise SystemExit; '", "c"), (30, 30, 30))
        compile(usage(card_of(facts=replace(IRIS, task=task))), "card", "exec")


def functional(shape, units, activation):
    inputs = keras.Input(shape)
    hidden = keras.layers.Flatten()(inputs) if len(shape) > 1 else inputs
    return keras.Model(inputs, keras.layers.Dense(units, activation=activation)(hidden))


def mixed():
    numeric, words = keras.Input((2,), name="numeric"), keras.Input((1,), name="categorical", dtype="string")
    lookup = keras.layers.StringLookup(vocabulary=["red", "green"], output_mode="multi_hot")
    features = keras.layers.Concatenate()([numeric, lookup(words)])
    return keras.Model({"numeric": numeric, "categorical": words}, keras.layers.Dense(1)(features))


def grid_head():
    inputs = keras.Input((32, 32, 1))
    cells = keras.layers.Conv2D(2 * 5 + 3, 8, strides=8, activation="sigmoid")(inputs)
    return keras.Model(inputs, cells)


MAP = Score("map_50", 0.5, 0.4, 0.6, "bootstrap")
FOUND = Evaluation(Kind.DETECTION, MAP, (MAP,), 30)
IMAGES = Inputs("image", (8, 8, 1), 0, 255)
CASES = {
    "table": (IRIS, CENTIMETRES, lambda: functional((4,), 3, "softmax"), r"(setosa|versicolor|virginica) 0\.\d+"),
    "vectors": (
        replace(IRIS, task=Task(Kind.BINARY, ("no", "yes"))),
        (),
        lambda: functional((4,), 1, "sigmoid"),
        r"(no|yes) 0\.\d+",
    ),
    "words": (
        replace(IRIS, task=Task(Kind.REGRESSION, ("price",))),
        (Column("age"), Column("since", "date"), Column("colour", "category")),
        mixed,
        r"\{'price': .*\}",
    ),
    "images": (
        replace(IRIS, inputs=IMAGES, task=Task(Kind.MULTILABEL, ("a", "b"))),
        (),
        lambda: functional((8, 8, 1), 2, "sigmoid"),
        r"\[.*\]",
    ),
}  # fmt: skip


class TestCode:
    @pytest.mark.parametrize("case", CASES)
    def test_it_runs_beside_the_model(self, case, tmp_path, monkeypatch, capsys):
        facts, columns, model, expected = CASES[case]
        model().save(tmp_path / "model.keras")
        write(tmp_path / "README.md", card_of(facts=facts, columns=columns))
        text = (tmp_path / "README.md").read_text(encoding="utf-8")
        code = re.search(r"(?ms)^```python\n(.*?)^```$", text)[1]
        monkeypatch.chdir(tmp_path)
        exec(compile(code, "README.md", "exec"), {})  # noqa: S102
        assert re.search(expected, capsys.readouterr().out)

    def test_of_a_detector(self, tmp_path, monkeypatch, capsys):
        facts = Facts("shapes", Inputs("image", (32, 32, 1)), Task(Kind.DETECTION, NAMES))
        grid_head().save(tmp_path / "model.keras")
        config = Config(recipe="detector").replace({"detector.grid": 4, "detector.score_threshold": 0.0})
        monkeypatch.chdir(tmp_path)
        code = usage(card_of(facts=facts, columns=(), config=config, evaluation=FOUND))
        exec(compile(code, "card", "exec"), {})  # noqa: S102
        assert "setosa" in capsys.readouterr().out

    def test_a_recipe_of_the_user_s_own_names_its_module(self):
        assert "# import my_models " in usage(card_of(config=Config(recipe="my_models:build")))
