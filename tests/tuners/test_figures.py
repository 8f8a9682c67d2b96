"""Pictures of errors: readable, and of any names."""

import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from recipes.task import Kind, Task
from tuners import figures
from tuners.score import evaluate


def evaluation_of(classes, samples=None):
    y = np.arange(samples or 4 * classes) % classes
    guesses = np.where(np.arange(len(y)) % 5 == 0, (y + 1) % classes, y)
    task = Task(Kind.MULTICLASS, tuple(map(str, range(classes))), (1,) * classes)
    return evaluate(np.eye(classes)[guesses], y, task)


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were saved, to be looked into."""
    saved = []
    original = Figure.savefig

    def savefig(self, *args, **kwargs):
        saved.append(self)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return saved


def texts(axes):
    return [text.get_text() for text in axes.texts]


class TestConfusionMatrix:
    def test_counts_and_names(self, drawn, tmp_path):
        figures.confusion_matrix(evaluation_of(2, 10), ["no", "yes"], tmp_path / "deep" / "test.png")
        axes = drawn[0].axes[0]
        assert texts(axes) == ["4", "1", "1", "4"]
        assert [label.get_text() for label in axes.get_yticklabels()] == ["no", "yes"]
        assert axes.get_title() == "10 test samples: accuracy 0.8"
        height, width, _ = imread(tmp_path / "deep" / "test.png").shape
        assert min(height, width) > 300

    def test_the_colour_is_the_share_of_the_true_class(self, drawn, tmp_path):
        figures.confusion_matrix(evaluation_of(2, 10), ["no", "yes"], tmp_path / "test.png")
        shares = drawn[0].axes[0].images[0].get_array()
        assert np.asarray(shares).tolist() == [[0.8, 0.2], [0.2, 0.8]]

    @pytest.mark.parametrize(("classes", "named"), [(40, 40), (45, 23)])
    def test_many_classes(self, drawn, tmp_path, classes, named):
        figures.confusion_matrix(evaluation_of(classes), [f"class {i}" for i in range(classes)], tmp_path / "test.png")
        axes = drawn[0].axes[0]
        assert len(axes.get_xticklabels()) == named
        assert bool(texts(axes)) == (classes <= 40)
        height, width, _ = imread(tmp_path / "test.png").shape
        assert max(height, width) < 2500

    @pytest.mark.parametrize(
        ("name", "shown"),
        [
            ("$\\frac{1}{0$ $", "$\\frac{1}{0$ $"),
            ("a\nb\x1b[31m", "a\\nb\\x1b[31m"),
            ("\ud800", "\\ud800"),
            ("🚀 漢字 ‏עברית", None),
            ("", "(empty)"),
            ("x" * 100, "xxxxxxxxxxx…xxxxxxxxxxxx"),
        ],
    )
    def test_any_name(self, drawn, tmp_path, name, shown):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            figures.confusion_matrix(evaluation_of(2), [name, "other"], tmp_path / "test.png")
        label = drawn[0].axes[0].get_yticklabels()[0].get_text()
        assert shown is None or label == shown

    def test_a_class_without_samples(self, tmp_path):
        y = np.zeros(4, dtype=int)
        evaluation = evaluate(np.eye(2)[y], y, Task(Kind.MULTICLASS, ("a", "b"), (1, 1)))
        figures.confusion_matrix(evaluation, ["a", "b"], tmp_path / "test.png")
        assert (tmp_path / "test.png").exists()


class TestResiduals:
    def draw(self, predicted, y, names, path):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            figures.residuals(predicted, y, names, path)

    def test_every_sample_and_its_error(self, drawn, tmp_path):
        y = np.linspace(0, 1, 50)[:, None]
        self.draw(y + 0.5, y, ["price in $ per $"], tmp_path / "test.png")
        left, right = drawn[0].axes
        assert len(left.collections[0].get_offsets()) == 50
        assert left.get_xlabel() == "true price in $ per $"
        assert right.get_title() == "mean error 0.5"

    def test_what_is_not_finite_is_counted_and_not_drawn(self, drawn, tmp_path):
        y = np.ones((5, 1))
        self.draw(np.array([[np.nan], [np.inf], [1e300], [1.0], [2.0]]), y, ["y"], tmp_path / "test.png")
        assert drawn[0].axes[0].get_title() == "2 of 5 samples, 3 not finite"

    def test_one_far_outlier_does_not_hide_the_others(self, drawn, tmp_path):
        y = np.zeros((101, 1))
        predicted = np.append(np.linspace(-1, 1, 100), 1e6)[:, None]
        self.draw(predicted, y, ["y"], tmp_path / "test.png")
        right = drawn[0].axes[1]
        assert right.get_title().endswith(", 1 far beyond")
        assert right.get_xlim()[1] < 2

    def test_of_many_samples_a_part_is_drawn(self, drawn, tmp_path):
        y = np.arange(9001.0)[:, None]
        self.draw(y, y, ["y"], tmp_path / "test.png")
        assert drawn[0].axes[0].get_title() == "2,251 of 9,001 samples"

    def test_of_many_targets_the_first(self, drawn, tmp_path, monkeypatch):
        monkeypatch.setattr(figures, "_MOST_TARGETS", 2)
        y = np.random.default_rng(0).normal(size=(20, 3))
        self.draw(y, y, ["a", "b", "c"], tmp_path / "test.png")
        assert [axes.get_xlabel() for axes in drawn[0].axes[::2]] == ["true a", "true b"]
        assert drawn[0].get_suptitle() == "the first 2 of 3 targets"

    @pytest.mark.parametrize("y", [np.ones((1, 1)), np.full((3, 1), np.nan), np.full((4, 1), 7e7)])
    def test_odd_samples(self, tmp_path, y):
        self.draw(y.copy(), y, ["y"], tmp_path / "test.png")
        assert (tmp_path / "test.png").exists()
