"""Each recipe's defaults beside scikit-learn's strong defaults, on held-out test sets.

    python -m benchmarks.recipes.scores [--seeds N] [--only NAME] [--json FILE]

For each seed the data is split anew; the recipe trains on the training samples and stops by the validation samples, the
others are fitted on both together, and all are scored on the same test samples. What counts is the difference, seed by
seed: its mean and the 95 % interval of that mean (Student's t). A recipe falls short where that interval lies below 0.

Each training is diagnosed too: the defaults are to be healthy.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from scipy import stats
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import accuracy_score, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from recipes import Config, load_data
from recipes.data import Data
from recipes.task import Kind
from tuners import train

#: Recipe, data.
PAIRS = (("mlp", "digits"), ("cnn", "digits"), ("mlp", "breast_cancer"), ("mlp", "wine"), ("mlp", "diabetes"))
_LEVEL = 0.95


@dataclass(frozen=True)
class Result:
    """What one recipe and its rivals reached on one data set, a number for each seed."""

    recipe: str
    data: str
    metric: str
    ours: list[float]
    rivals: dict[str, list[float]]
    verdicts: list[str]
    seconds: float

    def differences(self, rival: str) -> list[float]:
        return [ours - theirs for ours, theirs in zip(self.ours, self.rivals[rival], strict=True)]


def rivals(is_regression: bool, seed: int) -> dict[str, BaseEstimator]:
    """Return scikit-learn's models, with their own defaults."""
    if is_regression:
        return {
            "gradient boosting": HistGradientBoostingRegressor(random_state=seed),
            "SVM": make_pipeline(StandardScaler(), SVR()),
        }
    return {
        "gradient boosting": HistGradientBoostingClassifier(random_state=seed),
        "SVM": make_pipeline(StandardScaler(), SVC()),
    }


def measure(recipe: str, name: str, seeds: Sequence[int]) -> Result:
    """Train the recipe and its rivals with each seed."""
    ours: list[float] = []
    theirs: dict[str, list[float]] = {}
    verdicts = []
    seconds = 0.0
    metric = ""
    for seed in seeds:
        config = Config.of(recipe, {"data.source": name, "data.split_seed": seed, "training.seed": seed})
        data = load_data(config)
        is_regression = data.facts.task.kind is Kind.REGRESSION
        metric = "r2" if is_regression else "accuracy"
        with tempfile.TemporaryDirectory() as folder:
            begun = time.perf_counter()
            training = train(config, data=data, folder=Path(folder) / "run", track=False)
            seconds += time.perf_counter() - begun
        ours.append(training.evaluation.metrics()[metric])
        verdicts.append(training.verdict)
        for rival, model in rivals(is_regression, seed).items():
            theirs.setdefault(rival, []).append(_scored(model, data, is_regression))
    return Result(recipe, name, metric, ours, theirs, verdicts, seconds / len(seeds))


def _scored(model: BaseEstimator, data: Data, is_regression: bool) -> float:
    both = [np.concatenate([a, b]) for a, b in ((data.train.x, data.validation.x), (data.train.y, data.validation.y))]
    flat = both[0].reshape(len(both[0]), -1)
    model.fit(flat, np.ravel(both[1]))
    predicted = model.predict(data.test.x.reshape(len(data.test), -1))
    score = r2_score if is_regression else accuracy_score
    return float(score(np.ravel(data.test.y), predicted))


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the interval of the mean; of values that are all the same, that value twice."""
    mean, error = statistics.mean(values), statistics.stdev(values) / len(values) ** 0.5
    if not error:
        return mean, mean
    low, high = stats.t.interval(_LEVEL, len(values) - 1, mean, error)
    return float(low), float(high)


def lines(result: Result) -> Iterator[str]:
    """Yield the result as rows of a table."""
    healthy = sum(verdict in ("healthy", "info") for verdict in result.verdicts)
    ours = f"{result.recipe:<5} {result.data:<14} {result.metric:<9} {statistics.mean(result.ours):.4f}"
    ends = f"{healthy}/{len(result.verdicts)} healthy  {result.seconds:.0f} s"
    for rival, theirs in result.rivals.items():
        differences = result.differences(rival)
        low, high = interval(differences)
        verdict = "below" if high < 0 else "not below"
        yield (
            f"{ours}  {rival:<18} {statistics.mean(theirs):.4f}  {statistics.mean(differences):+.4f} "
            f"({low:+.4f} to {high:+.4f})  {verdict:<9}  {ends}"
        )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", help="RECIPE/DATA")
    parser.add_argument("--json", type=Path, help="write the numbers of each seed")
    arguments = parser.parse_args(argv)
    print(
        "recipe data          metric    ours    rival              theirs  difference of means (95 % interval)",
        flush=True,
    )
    results = []
    for recipe, name in PAIRS:
        if arguments.only in (None, f"{recipe}/{name}"):
            results.append(measure(recipe, name, range(arguments.seeds)))
            print(*lines(results[-1]), sep="\n", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(result) for result in results], indent=1))
    below = [result for result in results for rival in result.rivals if interval(result.differences(rival))[1] < 0]
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main())
