from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from diagnose.finding import Finding, Severity
from diagnose.run import Run
from tests.blueprints import classifier, data, dense, findings, model, planned

CHECK = "class-imbalance"


def rng() -> np.random.Generator:
    """Return the same random numbers in every test, whichever ran before."""
    return np.random.default_rng(0)


def labels(*counts: int) -> np.ndarray:
    """Return so many labels of each class, spread evenly: every split has its share."""
    places = np.concatenate([(np.arange(count) + 0.5) / count for count in counts])
    return np.repeat(np.arange(len(counts)), counts)[np.argsort(places, kind="stable")]


def look(y: np.ndarray, **more: object) -> tuple[Finding, ...]:
    names = more.pop("classes_of", ())
    return findings(CHECK, planned(data=dataclasses.replace(data(labels=y, n=len(y), **more), classes=names)))


SICK: Run = planned(data=data(labels=labels(950, 50), n=1000))


def test_95_to_5():
    (found,) = look(labels(950, 50))
    assert found.severity is Severity.WARNING
    assert "95 % accuracy" in found.summary
    assert found.fixes[0].id == "weight-classes"


@pytest.mark.parametrize(("rare", "fires"), [(150, False), (110, False), (70, True)])
def test_how_rare_a_class_may_be(rare, fires):
    assert bool(look(labels(1000, rare))) == fires


def test_whoever_judges_by_f1_knows():
    y = labels(950, 50)
    network = model(dense(1, "sigmoid"), loss="binary_crossentropy", metrics=("accuracy", "auc"))
    (found,) = findings(CHECK, planned(network, data(labels=y, n=1000)))
    assert found.severity is Severity.INFO


def test_classes_that_are_hardly_there_are_lost_though_none_rules():
    (found,) = look(labels(600, 600, 600, 600, 30))
    assert found.severity is Severity.WARNING
    assert "1 of 5 classes that are hardly there costs 1.2 points of accuracy, and 20 of mean recall" in found.summary
    (found,) = look(labels(*[400] * 5, *[15] * 4))
    assert found.severity is Severity.WARNING
    judged = model(dense(5, "softmax"), loss="sparse_categorical_crossentropy", metrics=("accuracy", "f1_score"))
    (found,) = findings(CHECK, planned(judged, data(labels=labels(600, 600, 600, 600, 30), n=2430)))
    assert found.severity is Severity.INFO


@pytest.mark.parametrize("times", [3, 5, 8])
def test_classes_some_times_rarer_than_others_are_still_found(times):
    assert look(labels(600, 600, 600, 600, 600 // times)) == ()


def test_a_long_tail_or_one_class_of_many_is_worth_knowing():
    for counts in ([int(1000 / rank) for rank in range(1, 21)], [*[200] * 19, 10]):
        (found,) = look(labels(*counts))
        assert found.severity is Severity.INFO


def test_half_of_the_classes_are_hardly_there():
    tail = labels(1050, 480, 190, 95, 48, 23, 15, 10)
    (found,) = look(tail)
    assert found.severity is Severity.WARNING
    assert "the 2 of 8 classes that are hardly there costs 1.3 points of accuracy, and 25" in found.summary
    one_hot = np.eye(8)[tail]
    assert [f.severity for f in look(one_hot, inputs=rng().normal(size=(len(tail), 4)))] == [Severity.WARNING]


def test_the_next_letter_of_a_text_has_a_long_tail():
    counts = [int(1000 * 0.8**rank) + 4 for rank in range(40)]
    y = labels(*counts)
    numbers = rng().choice(y, (len(y), 12))
    assert [f.severity for f in look(y)] == [Severity.WARNING]
    assert [f.severity for f in look(y, inputs=numbers)] == [Severity.INFO]
    assert [f.severity for f in look(y, inputs=np.eye(40)[numbers[:, :3]])] == [Severity.INFO]


def test_few_samples_of_each_of_many_classes_are_no_imbalance():
    assert look(rng().integers(0, 100, 600)) == ()


def test_names_of_classes_are_used():
    (found,) = look(labels(950, 50), classes_of=("cat", "dog"))
    assert "Class cat" in found.summary


def test_one_hot_texts_and_truth_values_have_classes_too():
    y = labels(950, 50)
    for given in (np.eye(2)[y], np.array(["no", "yes"])[y], y.astype(bool), y.astype("float32")[:, None]):
        assert findings(CHECK, planned(data=data(labels=given, n=1000, inputs=np.zeros((1000, 3)))))


def test_a_class_that_validation_lacks():
    y = np.concatenate([labels(300, 300), np.zeros(200, dtype=int), labels(100, 100)])
    (found,) = look(y)
    assert "The validation sample has none of 1 classes" in found.summary


def test_sorted_labels_leave_training_without_the_last():
    (found,) = look(np.sort(labels(200, 200, 200)))
    assert found.severity is Severity.WARNING
    assert "none of" in found.summary


def test_labels_that_hold_together():
    y = (rng().random((800, 4)) < [0.5, 0.4, 0.3, 0.02]).astype("float32")
    (found,) = look(y, inputs=np.zeros((800, 3)))
    assert found.severity is Severity.INFO
    assert "Label 3" in found.summary


def test_amounts_and_pictures_have_no_classes():
    assert look(rng().exponential(size=600).astype("float32"), inputs=np.zeros((600, 3))) == ()
    assert look(np.zeros((600, 4, 4), dtype=int), inputs=np.zeros((600, 3))) == ()
    network = model(dense(1), loss="mean_squared_error")
    given = data(labels=labels(590, 10), inputs=np.zeros((600, 3)))
    assert findings(CHECK, planned(network, given)) == ()


def test_balanced_data():
    assert findings(CHECK, planned(classifier(), data())) == ()


def test_ratings_for_a_model_of_which_the_loss_is_hidden_are_amounts():
    stars = labels(20, 60, 300, 500, 200) + 1
    hidden = dataclasses.replace(classifier(), outputs=())
    ratings = data(labels=stars.astype("float32"), n=len(stars))
    for check in (CHECK, "label-range"):
        assert findings(check, planned(hidden, ratings)) == ()
    assert findings(CHECK, planned(hidden, data(labels=stars, n=len(stars))))
