"""More ways not to learn, to learn too little, or to learn late."""

from __future__ import annotations

from benchmarks.faults import edits
from benchmarks.faults.configuration import Cause, at_rate, longer, setting

NOT = ("not-learning", "underfitting")
UNDER = ("underfitting", "not-learning")
LATE = ("plateau", "not-learning", "underfitting")
SLOW = ("slow-convergence", "learning-rate-too-low")


def _normal(stddev: float) -> tuple[str, dict[str, float]]:
    return "RandomNormal", {"stddev": stddev}


CAUSES = (
    Cause(
        "one-row-off",
        "targets joined with the next row's inputs, few units",
        setting({"widths": (4,)}, edits=(edits.one_row_off(),)),
        ("ellipsoids", "tones"),
        expects=NOT,
    ),
    Cause(
        "clipped-to-nothing",
        "gradients clipped to a norm of a millionth under SGD",
        setting(optimizer="sgd", learning_rate=0.01, optimizer_arguments={"clipnorm": 1e-6}),
        ("motifs", "digits"),
        expects=NOT,
        accepts=("learning-rate-too-low",),
    ),
    Cause(
        "every-pair",
        "a loss that broadcasts: every target against every prediction",
        setting(loss="every_pair"),
        ("friedman", "houses"),
        expects=NOT,
    ),
    Cause(
        "salted-tokens",
        "tokens hashed with a salt of its own for each row, small cells",
        setting({"widths": (4,)}, edits=(edits.salted_tokens(),)),
        ("motifs", "reviews"),
        expects=NOT,
    ),
    Cause(
        "decay-far-too-strong",
        "decoupled weight decay of 100: weights shrink faster than they learn",
        setting(optimizer="adamw", optimizer_arguments={"weight_decay": 100.0}),
        ("tones", "ellipsoids"),
        expects=NOT,
    ),
    Cause(
        "tanh-pinned",
        "five layers of tanh, weights of 20, SGD",
        setting(
            {"widths": (24,) * 5, "activation": "tanh", "kernel": _normal(20.0), "dropout": 0.0},
            optimizer="sgd",
            learning_rate=1e-3,
        ),
        ("ellipsoids", "grades"),
        expects=(*UNDER, "generalization-gap"),
    ),
    Cause(
        "out-of-vocabulary",
        "every token unknown: another vocabulary than the model's",
        setting(edits=(edits.blank_inputs(),)),
        ("motifs", "order"),
        expects=NOT,
    ),
    Cause(
        "frozen-narrow-body",
        "everything but the output frozen at random weights, three units wide",
        setting({"frozen": True, "widths": (3,), "dropout": 0.0}),
        ("ellipsoids", "digits"),
        expects=UNDER,
    ),
    Cause(
        "lasso-too-strong",
        "L1 of 0.05 on every layer",
        setting({"l1": 0.05}),
        ("ellipsoids", "digits"),
        expects=UNDER,
    ),
    Cause(
        "norm-limit-too-small",
        "weights limited to a norm of 0.15",
        setting({"max_norm": 0.15}),
        ("ellipsoids", "spirals"),
        expects=UNDER,
    ),
    Cause(
        "columns-lost",
        "all but two columns lost on the way",
        setting(edits=(edits.first_features(2),)),
        ("ellipsoids", "arms", "hastie"),
        expects=UNDER,
    ),
    Cause(
        "labels-as-classes",
        "softmax over labels that are not exclusive, squared error",
        setting({"output_activation": "softmax"}, loss="mse"),
        ("grades", "labels"),
        expects=UNDER,
    ),
    Cause(
        "averaged-away",
        "every image or signal averaged to one number first",
        setting(edits=(edits.averaged(),)),
        ("gratings", "shapes"),
        expects=(*NOT, "plateau"),
    ),
    Cause(
        "one-bit-inputs",
        "inputs reduced to their sign",
        setting({"dropout": 0.3}, edits=(edits.one_bit(),)),
        ("ellipsoids", "arms", "spirals"),
        expects=UNDER,
    ),
    Cause(
        "plateau-attention",
        "attention at a low rate: level until it finds what to look at",
        longer(
            3,
            {"family": "attention", "dropout": 0.0},
            optimizer="sgd",
            learning_rate=0.02,
            optimizer_arguments={"momentum": 0.9},
        ),
        ("motifs", "order"),
        expects=LATE,
        accepts=SLOW,
    ),
    Cause(
        "plateau-frozen-first",
        "a narrow random body frozen for most of the run, then set free",
        lambda s, t: longer(
            1.5,
            {"widths": (5, 24), "dropout": 0.0},
            callbacks=(("unfreeze", {"epochs": (s.epochs,), "everything": True}),),
        )(s, t),
        ("spirals", "ellipsoids", "arms"),
        expects=(*LATE, "underfitting"),
    ),
    Cause(
        "plateau-late-start",
        "a rate of almost nothing for the first half",
        longer(1.5, schedule=("late_start", {})),
        ("tones", "gratings", "grades"),
        expects=LATE,
        accepts=SLOW,
    ),
    Cause(
        "warm-up-without-end",
        "a warm-up planned for sixty times the epochs",
        setting(schedule=("slow_warm_up", {})),
        ("ellipsoids", "gratings"),
        expects=SLOW,
    ),
    Cause(
        "adagrad-default",
        "Adagrad at Keras' default of 0.001",
        setting(optimizer="adagrad", learning_rate=1e-3),
        ("digits", "tones"),
        expects=SLOW,
    ),
    Cause(
        "decay-by-step",
        "a decay meant for epochs applied at every step",
        at_rate(
            0.5,
            step_schedule=("ExponentialDecay", {"decay_steps": 1, "decay_rate": 0.95}),
            callbacks=(("log_rate", {}),),
        ),
        ("ellipsoids", "tones"),
        expects=("learning-rate-too-low", "underfitting", "plateau"),
        accepts=SLOW,
    ),
    Cause(
        "clipped-too-tightly",
        "SGD whose gradients are clipped to a norm of a hundredth",
        setting(optimizer="sgd", learning_rate=0.05, optimizer_arguments={"clipnorm": 0.01}),
        ("digits", "tones"),
        expects=SLOW,
    ),
    Cause(
        "accumulated-too-long",
        "gradients summed up over 150 batches: a step every few epochs",
        setting(optimizer_arguments={"gradient_accumulation_steps": 150}),
        ("gratings", "ellipsoids"),
        expects=SLOW,
    ),
    Cause(
        "ftrl-default",
        "FTRL at Keras' default of 0.001",
        setting(optimizer="ftrl", learning_rate=1e-3),
        ("buyers", "digits"),
        expects=(*SLOW, "not-learning"),
    ),
    Cause(
        "reduced-too-eagerly",
        "ReduceLROnPlateau without patience, for any gain below 0.2",
        longer(1.5, callbacks=(("reduce_on_plateau", {"patience": 1, "factor": 0.1, "min_delta": 0.2}),)),
        ("ellipsoids", "spirals", "tones"),
        expects=("learning-rate-too-low", "underfitting", "plateau"),
        accepts=SLOW,
    ),
)
