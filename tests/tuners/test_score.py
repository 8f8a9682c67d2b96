"""Scores on the test samples: golden against scikit-learn and SciPy, and intervals that cover the truth."""

import json
import math

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn import metrics

from recipes.errors import RecipeError
from recipes.task import Kind, Task
from tuners.score import evaluate

BINARY = Task(Kind.BINARY, ("no", "yes"), (50, 50))
THREE = Task(Kind.MULTICLASS, ("a", "b", "c"), (30, 30, 30))
LABELS = Task(Kind.MULTILABEL, ("x", "y", "z"))
PRICE = Task(Kind.REGRESSION, ("price",))


def random():
    return np.random.default_rng(0)


def binary_sample(n=80, positive=0.3, separation=1.0, generator=None):
    generator = generator or random()
    y = (generator.random(n) < positive).astype(np.float32)
    logits = generator.normal(separation * (2 * y - 1), 1.5)
    return 1 / (1 + np.exp(-logits))[:, None], y


def class_sample(n=90, classes=3, separation=1.5, generator=None):
    generator = generator or random()
    y = np.arange(n) % classes
    powers = np.exp(generator.normal(size=(n, classes)) + separation * np.eye(classes)[y])
    return powers / powers.sum(axis=1, keepdims=True), y


def label_sample(n=60, labels=3, noise=0.7, generator=None):
    generator = generator or random()
    hidden = generator.normal(size=(n, 1)) + 0.5 * generator.normal(size=(n, labels))
    logits = 3 * hidden + noise * (generator.normal(size=(n, 1)) + generator.normal(size=(n, labels)))
    return 1 / (1 + np.exp(-logits)), (hidden > 0).astype(np.float32)


def target_sample(n=50, targets=1, generator=None):
    generator = generator or random()
    y = generator.normal(1000, 3, size=(n, targets))
    return y + generator.normal(size=(n, targets)), y


EACH = [(BINARY, binary_sample), (THREE, class_sample), (LABELS, label_sample), (PRICE, target_sample)]


class TestGolden:
    def test_binary(self):
        predicted, y = binary_sample()
        taken = predicted[:, 0] > 0.5
        assert evaluate(predicted, y, BINARY).metrics() == pytest.approx(
            {
                "accuracy": metrics.accuracy_score(y, taken),
                "f1": metrics.f1_score(y, taken),
                "precision": metrics.precision_score(y, taken),
                "recall": metrics.recall_score(y, taken),
                "log_loss": metrics.log_loss(y, predicted),
                "roc_auc": metrics.roc_auc_score(y, predicted),
            }
        )

    @pytest.mark.parametrize("one_hot", [False, True])
    def test_multiclass(self, one_hot):
        predicted, y = class_sample()
        taken = predicted.argmax(axis=1)
        evaluation = evaluate(predicted, np.eye(3, dtype=np.float32)[y] if one_hot else y, THREE)
        assert evaluation.metrics() == pytest.approx(
            {
                "accuracy": metrics.accuracy_score(y, taken),
                "f1_macro": metrics.f1_score(y, taken, average="macro"),
                "precision_macro": metrics.precision_score(y, taken, average="macro"),
                "recall_macro": metrics.recall_score(y, taken, average="macro"),
                "log_loss": metrics.log_loss(y, predicted),
            }
        )
        assert evaluation.confusion.tolist() == metrics.confusion_matrix(y, taken).tolist()
        precision, recall, f1, support = metrics.precision_recall_fscore_support(y, taken)
        assert [d.samples for d in evaluation.details] == support.tolist()
        for name, expected in (("precision", precision), ("recall", recall), ("f1", f1)):
            assert [d.values[name] for d in evaluation.details] == pytest.approx(expected)

    def test_classes_that_neither_are_nor_were_found_do_not_count(self):
        predicted, y = class_sample(classes=3)
        seen = y < 2
        predicted[:, 2] = 0
        predicted /= predicted.sum(axis=1, keepdims=True)
        score = evaluate(predicted[seen], y[seen], THREE).metrics()["f1_macro"]
        assert score == pytest.approx(metrics.f1_score(y[seen], predicted[seen].argmax(axis=1), average="macro"))

    def test_multilabel(self):
        predicted, y = label_sample()
        taken = predicted > 0.5
        assert evaluate(predicted, y, LABELS).metrics() == pytest.approx(
            {
                "f1_macro": metrics.f1_score(y, taken, average="macro"),
                "f1_micro": metrics.f1_score(y, taken, average="micro"),
                "precision_macro": metrics.precision_score(y, taken, average="macro"),
                "recall_macro": metrics.recall_score(y, taken, average="macro"),
                "exact_match": metrics.accuracy_score(y, taken),
            }
        )

    @pytest.mark.parametrize("targets", [1, 3])
    def test_regression(self, targets):
        predicted, y = target_sample(targets=targets)
        task = Task(Kind.REGRESSION, tuple("abc"[:targets]))
        evaluation = evaluate(predicted, y, task)
        assert evaluation.metrics() == pytest.approx(
            {
                "r2": metrics.r2_score(y, predicted),
                "mae": metrics.mean_absolute_error(y, predicted),
                "rmse": metrics.root_mean_squared_error(y, predicted),
            }
        )
        each = metrics.r2_score(y, predicted, multioutput="raw_values")
        assert [d.values["r2"] for d in evaluation.details] == pytest.approx(each)

    def test_a_share_s_interval_is_wilson_s(self):
        predicted, y = binary_sample()
        right = int(((predicted[:, 0] > 0.5) == y).sum())
        expected = binomtest(right, len(y)).proportion_ci(0.9, method="wilson")
        score = evaluate(predicted, y, BINARY, level=0.9).scores[0]
        assert (score.low, score.high) == pytest.approx((expected.low, expected.high))

    def test_certainty_in_single_precision_costs_what_it_costs_in_scikit_learn(self):
        predicted, y = np.array([[1.0], [0.25]], dtype=np.float32), np.array([0.0, 0.0])
        assert evaluate(predicted, y, BINARY).metrics()["log_loss"] == pytest.approx(
            metrics.log_loss(y, predicted[:, 0], labels=[0, 1])
        )


class TestMain:
    @pytest.mark.parametrize(
        ("task", "sample", "expected"),
        [
            (BINARY, binary_sample, "accuracy"),
            (Task(Kind.BINARY, ("no", "yes"), (90, 30)), binary_sample, "f1"),
            (THREE, class_sample, "accuracy"),
            (Task(Kind.MULTICLASS, ("a", "b", "c"), (90, 30, 30)), class_sample, "f1_macro"),
            (LABELS, label_sample, "f1_macro"),
            (PRICE, target_sample, "r2"),
        ],
    )
    def test_the_main_score_fits_the_task_and_comes_first(self, task, sample, expected):
        evaluation = evaluate(*sample(), task)
        assert evaluation.main.metric == expected
        assert evaluation.scores[0] is evaluation.main


def covered(task, sample, *, runs=300):
    """Return of each score the share of test sets whose interval holds the score of very many samples."""
    generator = random()
    truth = evaluate(*sample(200_000, generator), task).metrics()
    hits = dict.fromkeys(truth, 0)
    for _ in range(runs):
        for score in evaluate(*sample(None, generator), task).scores:
            hits[score.metric] += score.low <= truth[score.metric] <= score.high
    return {metric: count / runs for metric, count in hits.items()}


@pytest.mark.parametrize(
    ("task", "sample"),
    [
        pytest.param(BINARY, lambda n, g: binary_sample(n or 100, 0.2, 1.5, g), id="binary"),
        pytest.param(THREE, lambda n, g: class_sample(n or 60, 3, 3.0, g), id="multiclass-few-go-wrong"),
        pytest.param(LABELS, lambda n, g: label_sample(n or 80, generator=g), id="labels-that-go-together"),
        pytest.param(PRICE, lambda n, g: target_sample(n or 40, generator=g), id="regression"),
    ],
)
def test_intervals_of_95_percent_hold_the_truth_in_about_95_percent_of_test_sets(task, sample):
    shares = covered(task, sample)
    assert {metric: share for metric, share in shares.items() if not 0.9 <= share <= 0.995} == {}


class TestWhatIsNoScore:
    @pytest.mark.parametrize("value", [np.nan, np.inf])
    @pytest.mark.parametrize(
        ("task", "sample"),
        [(BINARY, binary_sample), (THREE, class_sample), (LABELS, label_sample), (PRICE, target_sample)],
    )
    def test_a_prediction_that_is_not_finite_leaves_no_score(self, task, sample, value):
        predicted, y = sample()
        predicted[3, 0] = value
        evaluation = evaluate(predicted, y, task)
        assert not evaluation.main.is_known
        assert str(evaluation.main) == f"{evaluation.main.metric} not finite"
        assert evaluation.notes == (f"1 of {len(y)} predictions are NaN or infinite: the model has no score",)
        assert [score["value"] for score in evaluation.to_dict()["scores"]] == [None]

    def test_what_is_too_large_to_be_squared_is_not_finite(self):
        scores = evaluate(np.array([[1e200], [1.0]]), np.array([[1.0], [2.0]]), PRICE).scores
        assert {score.metric: score.method for score in scores} == {
            "r2": "not finite", "mae": "log-t", "rmse": "not finite"
        }  # fmt: skip

    def test_a_target_that_does_not_vary_has_no_r2(self):
        evaluation = evaluate(np.array([[1.0], [2.0]]), np.array([[1.0], [1.0]]), PRICE)
        assert str(evaluation.main) == "r2 undefined"
        assert evaluation.notes == ("has no R², for it does not vary over the test samples: price",)
        assert evaluation.metrics()["mae"] == 0.5

    def test_one_class_alone_has_no_area_under_the_curve(self):
        predicted, _ = binary_sample(5)
        scores = {score.metric: score for score in evaluate(predicted, np.ones(5), BINARY).scores}
        assert scores["roc_auc"].method == "undefined"

    def test_outputs_that_are_no_probabilities_have_no_log_loss(self):
        evaluation = evaluate(np.array([[-2.0], [3.0]]), np.array([0, 1]), BINARY)
        assert "log_loss" not in evaluation.metrics()
        assert evaluation.metrics()["accuracy"] == 1
        assert evaluation.notes == ("the outputs are no probabilities: there is no log loss",)


class TestSmallTestSets:
    @pytest.mark.parametrize("n", [1, 2])
    @pytest.mark.parametrize(
        ("task", "sample"),
        [(BINARY, binary_sample), (THREE, class_sample), (LABELS, label_sample), (PRICE, target_sample)],
    )
    def test_one_or_two_samples_are_scored(self, task, sample, n):
        predicted, y = sample(60)
        evaluation = evaluate(predicted[:n], y[:n], task)
        assert evaluation.samples == n
        for score in evaluation.scores:
            assert not score.is_known or score.low <= score.value <= score.high

    def test_no_mistake_is_no_proof_of_perfection(self):
        y = np.arange(30) % 3
        for score in evaluate(np.eye(3)[y], y, THREE).scores[:4]:
            assert score.value == score.high == 1
            assert 0.8 < score.low < 0.95
        area = evaluate(np.linspace(0, 1, 20)[:, None], np.arange(20) >= 10, BINARY).scores[-1]
        assert area.metric == "roc_auc"
        assert area.value == area.high == 1
        assert 0.7 < area.low < 0.95

    def test_a_class_that_was_never_found_may_have_any_precision(self):
        scores = {
            score.metric: score for score in evaluate(np.full((4, 1), 0.1), np.array([0, 0, 0, 1]), BINARY).scores
        }
        assert (scores["precision"].value, scores["precision"].low, scores["precision"].high) == (0, 0, 1)

    def test_no_sample_at_all(self):
        with pytest.raises(RecipeError, match="no test samples"):
            evaluate(np.zeros((0, 1)), np.zeros(0), BINARY)


def test_predictions_that_do_not_fit():
    with pytest.raises(RecipeError, match=r"output has the shape \(4, 2\).*need \(4, 3\); give its last layer 3 units"):
        evaluate(np.zeros((4, 2)), np.zeros(4), THREE)


def test_half_precision_is_scored_like_single():
    predicted, y = class_sample()
    half = evaluate(predicted.astype(np.float16), y, THREE).metrics()
    assert half == pytest.approx(evaluate(predicted, y, THREE).metrics(), abs=1e-3)


def test_json():
    predicted, y = class_sample()
    evaluation = evaluate(predicted, y, THREE)
    content = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
    assert content["main"] == "accuracy"
    assert content["samples"] == 90
    assert np.sum(content["confusion"]) == 90
    assert content["scores"][0] == {
        "metric": "accuracy", "value": evaluation.main.value, "low": evaluation.main.low,
        "high": evaluation.main.high, "level": 0.95, "method": "wilson",
    }  # fmt: skip
    assert set(content["details"][0]) == {"name", "samples", "precision", "recall", "f1"}


def test_a_score_can_be_read():
    score = evaluate(*binary_sample(), BINARY).main
    assert str(score) == f"accuracy {score.value:.4g} (95 % interval {score.low:.4g} to {score.high:.4g})"
    assert math.isfinite(score.value)
