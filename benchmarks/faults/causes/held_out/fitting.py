"""More ways to fit the training set instead of the task, or another task than the one validated on."""

from __future__ import annotations

from benchmarks.faults import edits
from benchmarks.faults.configuration import Cause, change, longer, setting

OVER = ("overfitting", "generalization-gap")
GAP = ("generalization-gap", "overfitting")
BARE = {"dropout": 0.0, "l2": 0.0}
APART = ("loss-metric-disagreement", "overfitting")
TRAINED = ("overtraining", "overfitting")

CAUSES = (
    Cause(
        "overfit-duplicates",
        "30 rows, each twenty times over",
        longer(1.5, BARE, edits=(edits.duplicated(30, 20),)),
        ("tones", "digits", "gratings"),
        expects=OVER,
    ),
    Cause(
        "overfit-random-features",
        "3000 fixed random features and a linear layer on few rows: next to nearest neighbours",
        longer(3, {"widths": (3000,), "frozen": True, **BARE}, learning_rate=2e-3, edits=(edits.keep(train=120),)),
        ("ellipsoids", "clusters", "friedman"),
        expects=OVER,
    ),
    Cause(
        "overfit-row-numbers",
        "the row's number among the features, one column each",
        longer(3, BARE, edits=(edits.row_numbers(300),)),
        ("hastie", "clusters"),
        expects=OVER,
    ),
    Cause(
        "overfit-both-directions",
        "LSTMs in both directions on 200 sequences",
        longer(2.5, {"family": "bidirectional", "widths": (24,), **BARE}, edits=(edits.keep(train=200),)),
        ("motifs", "reviews", "lags"),
        expects=OVER,
    ),
    Cause(
        "overfit-polynomial",
        "all products of three features for a linear model on 100 rows",
        longer(4, {"widths": ()}, learning_rate=3e-2, edits=(edits.keep(train=100), edits.products(3))),
        ("ellipsoids", "grades"),
        expects=OVER,
    ),
    Cause(
        "overfit-denoiser",
        "an overcomplete denoiser on 60 signals",
        longer(5, {"widths": (128, 128)}, edits=(edits.keep(train=60),)),
        ("denoise", "mixtures"),
        expects=OVER,
    ),
    Cause(
        "overfit-attention",
        "attention of twice the width on 150 sequences",
        longer(3, {"family": "attention", "widths": (32,), **BARE}, learning_rate=3e-3, edits=(edits.keep(train=150),)),
        ("motifs", "reviews"),
        expects=OVER,
    ),
    Cause(
        "gap-columns-swapped",
        "validation columns in another order",
        setting(edits=(edits.columns_swapped(),)),
        ("ellipsoids", "digits"),
        expects=GAP,
    ),
    Cause(
        "gap-inverted-images",
        "validation images black for white",
        setting(edits=(edits.inverted_validation(),)),
        ("shapes", "radii"),
        expects=GAP,
    ),
    Cause(
        "gap-class-order",
        "classes numbered otherwise in the validation set",
        setting(edits=(edits.other_class_order(),)),
        ("tones", "gratings"),
        expects=GAP,
    ),
    Cause(
        "gap-not-standardized",
        "validation inputs neither centred nor scaled",
        setting(edits=(edits.rescaled(12.0, 8.0, False, True),)),
        ("gratings", "arms", "pairs"),
        expects=GAP,
    ),
    Cause(
        "gap-split-by-time",
        "trained on low values of a feature, validated on high ones",
        setting(edits=(edits.split_by(0, 0.5),)),
        ("ellipsoids", "arms"),
        expects=GAP,
    ),
    Cause(
        "gap-few-subjects",
        "40 originals, 25 jittered copies of each",
        setting(BARE, edits=(edits.duplicated(40, 25, 0.15),), schedule=("cosine", {})),
        ("clusters", "pairs"),
        expects=GAP,
    ),
    Cause(
        "gap-target-encoding",
        "a category encoded by the mean target of its own rows",
        setting(BARE, edits=(edits.target_encoded(2),)),
        ("buyers", "hastie"),
        expects=GAP,
    ),
    Cause(
        "sharp-outputs",
        "outputs sharpened twelvefold: certain of everything, few rows",
        lambda s, _: change(
            s,
            net={"output_activation": f"sharp_{s.net.output_activation}", **BARE},
            epochs=s.epochs * 2,
            edits=(edits.keep(train=150),),
        ),
        ("ellipsoids", "grades", "digits"),
        expects=APART,
    ),
    Cause(
        "certain-convolutions",
        "convolutions on 120 examples, far beyond the lowest validation loss",
        longer(4, {"widths": (24, 24), **BARE}, edits=(edits.keep(train=120),)),
        ("waves", "gratings", "shapes"),
        expects=APART,
    ),
    Cause(
        "certain-labels",
        "several labels a row, 300 rows, wide network",
        longer(5, {"widths": (64, 64)}, edits=(edits.keep(train=300),)),
        ("grades", "labels"),
        expects=APART,
    ),
    Cause(
        "overtrained-momentum",
        "400 epochs of SGD with momentum on 150 rows",
        setting(
            BARE,
            epochs=400,
            optimizer="sgd",
            learning_rate=0.05,
            optimizer_arguments={"momentum": 0.9},
            edits=(edits.keep(train=150),),
        ),
        ("ellipsoids", "tones", "grades"),
        expects=TRAINED,
    ),
    Cause(
        "overtrained-quantities",
        "500 epochs of a wide network on 120 measured values",
        setting({"widths": (96, 64)}, epochs=500, learning_rate=3e-3, edits=(edits.keep(train=120),)),
        ("arms", "friedman", "denoise"),
        expects=TRAINED,
    ),
    Cause(
        "overtrained-pairs",
        "350 epochs with RMSprop on 150 rows",
        setting(BARE, epochs=350, optimizer="rmsprop", learning_rate=2e-3, edits=(edits.keep(train=150),)),
        ("pairs", "buyers"),
        expects=TRAINED,
    ),
)
