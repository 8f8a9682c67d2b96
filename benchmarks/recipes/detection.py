"""How well the detector finds scattered digits: mean average precision on digits that it has not seen.

    python -m benchmarks.recipes.detection [--seeds 2] [--preset default] [--pictures FOLDER] [--logs FOLDER]

Trains the preset as it is, once for each seed; the data and its splits stay the same. The settings were chosen by the
validation split; the test split is looked at here. The interval is a bootstrap over images, for one training.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from diagnose.live.monitor import Monitor
from recipes import Config, build, load_data
from recipes.catalog import find
from recipes.data.base import Data, Split
from recipes.data.pipeline import evaluation_batches, training_batches
from recipes.detection.grid import LEAST_SCORE, decode
from recipes.detection.pictures import picture
from recipes.detection.precision import COCO_OVERLAPS, average_precision


def trained(config: Config, data: Data, logs: Path | None) -> keras.Model:
    """Return the detector after its training; the last epoch counts."""
    keras.utils.set_random_seed(config.training.seed)
    recipe = find(config.recipe)
    assert recipe.encode is not None
    encode = recipe.encode(config, data.facts)
    model = build(config, data)
    watched = [Monitor(logs / f"detector-{config.training.seed}.csv", append=False)] if logs else []
    model.fit(
        training_batches(data.train, config, data.facts, encode=encode),
        validation_data=evaluation_batches(data.validation, config, data.facts, encode=encode),
        epochs=config.training.epochs,
        steps_per_epoch=data.facts.steps(config.data.batch_size),
        callbacks=watched,
        verbose=0,
    )
    return model


def told(name: str, split: Split, model: keras.Model, config: Config) -> str:
    """Return the row of a split: mAP@0.5 with its interval, and mAP over stricter overlaps."""
    found = decode(model.predict(split.x, verbose=0), config.detector, LEAST_SCORE)
    result = average_precision(split.y, found)
    low, high = result.interval()
    strict = average_precision(split.y, found, COCO_OVERLAPS).mean
    worst = min(result.per_class, key=lambda kind: result.per_class[kind])
    return (
        f"  {name:<10}  mAP@0.5 {result.mean:.3f} [{low:.3f}, {high:.3f}]   mAP@0.5:0.95 {strict:.3f}   "
        f"worst class {worst}: {result.per_class[worst]:.3f}"
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Print the figures of each training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2, help="how many trainings")
    parser.add_argument("--preset", default="default")
    parser.add_argument("--pictures", type=Path, help="folder for pictures of the first test images")
    parser.add_argument("--logs", type=Path, help="folder for logs with layer statistics")
    arguments = parser.parse_args(argv)
    for folder in filter(None, (arguments.pictures, arguments.logs)):
        folder.mkdir(parents=True, exist_ok=True)
    for seed in range(arguments.seeds):
        settings = {"data.source": "scattered_digits", "training.seed": seed}
        config = Config.of(f"detector/{arguments.preset}", settings)
        data = load_data(config)
        start = time.perf_counter()
        model = trained(config, data, arguments.logs)
        seconds = time.perf_counter() - start
        print(f"seed {seed}: {config.training.epochs} epochs in {seconds:.0f} s, {model.count_params():,} parameters")
        for name, split in (("validation", data.validation), ("test", data.test)):
            print(told(name, split, model, config), flush=True)
        if arguments.pictures:
            shown = data.test.inputs(np.arange(12))
            found = decode(model.predict(shown, verbose=0), config.detector)
            path = arguments.pictures / f"detector-{seed}.png"
            picture(shown, data.test.y[:12], found, data.facts.task.names, path)


if __name__ == "__main__":
    main()
