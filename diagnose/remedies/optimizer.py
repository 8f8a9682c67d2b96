"""Remedies in the optimizer: rate, schedule, clipping, momentum."""

from __future__ import annotations

from diagnose.fix import Applicability, Change, Fix
from diagnose.remedies import settings
from diagnose.remedies.snippets import retrain
from diagnose.run import Run

_RATE = "float(model.optimizer.learning_rate)"
_STEPS = "steps = 3 * -(-len(x_train) // 32)  # epochs x batches\n"


def _changed(settings_code: str) -> str:
    """Return code that trains a copy under the same optimizer with some settings changed."""
    return retrain(
        "type(model.optimizer).from_config(settings)",
        before=f"settings = model.optimizer.get_config()\nsettings |= {settings_code}\n",
    )


def _scaled_rate(run: Run | None, factor: float, verb: str) -> tuple[str, str]:
    """Return title and code of a change of the rate by a factor."""
    rate = settings.learning_rate(run)
    if rate is None:
        title = f"{verb} the learning rate by a factor of {max(factor, 1 / factor):.3g}"
        return title, _changed(f'{{"learning_rate": {factor:.3g} * {_RATE}}}')
    title = f"{verb} the learning rate from {rate:.3g} to {rate * factor:.3g}"
    return title, _changed(f'{{"learning_rate": {rate * factor:.3g}}}')


def lower_learning_rate(run: Run | None = None, factor: float = 0.1, *, addresses: str = "") -> Fix:
    """Smaller steps."""
    title, code = _scaled_rate(run, factor, "Lower")
    return Fix(
        id="lower-learning-rate",
        title=title,
        why="A step that is too large overshoots the minimum: the loss swings or grows, weights blow up, and "
        "ReLU units are pushed where they never fire again. Smaller steps follow the gradient down.",
        cost="Slower: each epoch moves the weights less, so more epochs may be needed for the same loss.",
        applicability=Applicability.SAFE,
        changes=(Change("optimizer.learning_rate", "multiply", factor, low=1e-7, high=1.0),),
        code=code,
        addresses=addresses,
    )


def raise_learning_rate(run: Run | None = None, factor: float = 10.0, *, addresses: str = "") -> Fix:
    """Larger steps."""
    title, code = _scaled_rate(run, factor, "Raise")
    return Fix(
        id="raise-learning-rate",
        title=title,
        why="The steps are so small that the loss has hardly left its start or still falls in a straight "
        "line at the end; larger steps cover the same way in fewer epochs and leave flat regions.",
        cost="Too much of it makes the loss oscillate or diverge: raise it stepwise and watch the loss.",
        applicability=Applicability.SAFE,
        changes=(Change("optimizer.learning_rate", "multiply", factor, low=1e-7, high=1.0),),
        code=code,
        addresses=addresses,
    )


def clip_gradients(norm: float = 1.0, *, addresses: str = "") -> Fix:
    """Bound the step."""
    return Fix(
        id="clip-gradients",
        title=f"Clip the norm of each gradient at {norm:g}",
        why="Clipping shortens a gradient that is longer than the limit and keeps its direction, so a single "
        "exploding gradient can no longer throw the weights far away.",
        cost="Hardly any time; a limit that is too low slows training down, and what makes gradients explode "
        "(initialization, rate, scale of the inputs) stays. Under Adam, which divides by the gradient's own "
        "size, it only helps against single spikes.",
        applicability=Applicability.SAFE,
        changes=(Change("optimizer.clipnorm", "set", norm, low=0.1, high=10.0),),
        code=_changed(f'{{"clipnorm": {norm!r}, "clipvalue": None, "global_clipnorm": None}}'),
        addresses=addresses,
    )


def _scheduled(schedule: str, run: Run | None) -> str:
    """Return code that trains a copy under a schedule, an expression of ``rate`` and ``steps``."""
    rate = settings.learning_rate(run)
    return retrain(
        "type(model.optimizer).from_config(settings)",
        before=(
            f"rate = {_RATE if rate is None else f'{rate:.3g}'}\n{_STEPS}"
            f"schedule = keras.optimizers.schedules.{schedule}\n"
            "settings = model.optimizer.get_config()\n"
            # A schedule object is no configuration; from_config takes the serialized one.
            'settings["learning_rate"] = keras.saving.serialize_keras_object(schedule)\n'
        ),
    )


def _to(run: Run | None) -> str:
    rate = settings.learning_rate(run)
    return "" if rate is None else f" to {rate:.3g}"


def _from(run: Run | None) -> str:
    rate = settings.learning_rate(run)
    return "" if rate is None else f" from {rate:.3g}"


def warm_up(run: Run | None = None, *, addresses: str = "") -> Fix:
    """Start small, then decay."""
    return Fix(
        id="warm-up",
        title=f"Warm the learning rate up{_to(run)}, then let it decay",
        why="At the start the weights are random, gradients are large and Adam's averages are still empty: a "
        "rate that grows over the first steps avoids the damage that the full rate does there, and allows a "
        "higher rate afterwards.",
        cost="One more number to choose (5 to 10 % of the steps); the first epochs are slower.",
        changes=(Change("optimizer.schedule", "set", "warmup-cosine"),),
        code=_scheduled(
            "CosineDecay(\n"
            "    0.0,\n"
            "    decay_steps=max(1, 9 * steps // 10),  # after the warm-up\n"
            "    warmup_target=rate,\n"
            "    warmup_steps=max(1, steps // 10),\n"
            ")",
            run,
        ),
        addresses=addresses,
    )


def decay_learning_rate(run: Run | None = None, *, addresses: str = "") -> Fix:
    """Finer steps late in training."""
    return Fix(
        id="decay-learning-rate",
        title=f"Let the learning rate decay{_from(run)} along a cosine",
        why="A constant rate keeps the weights bouncing around the minimum at a distance that grows with the "
        "rate. Decay (1/t, exponential, cosine, or on a plateau) makes training stable late and the last "
        "steps fine.",
        cost="The number of epochs must be fixed beforehand; a decay that is too fast freezes training early.",
        applicability=Applicability.SAFE,
        changes=(Change("optimizer.schedule", "set", "cosine"),),
        code=_scheduled("CosineDecay(rate, decay_steps=steps)", run),
        addresses=addresses,
    )


def slower_decay(run: Run | None = None, *, addresses: str = "") -> Fix:
    """Keep the rate up for longer."""
    return Fix(
        id="slower-decay",
        title=f"Let the learning rate fall more slowly{_from(run)}",
        why="The rate fell so early that training froze before it was done. A cosine over the whole training "
        "that ends at a tenth of the rate keeps most of it for the first half.",
        cost="The loss is noisier for longer before it settles.",
        changes=(Change("optimizer.schedule", "set", "cosine"),),
        code=_scheduled("CosineDecay(rate, decay_steps=steps, alpha=0.1)", run),
        addresses=addresses,
    )


def cyclic_learning_rate(run: Run | None = None, *, addresses: str = "") -> Fix:
    """Restart the rate to leave a plateau."""
    return Fix(
        id="cyclic-learning-rate",
        title=f"Use a cyclic learning rate: restarts{_from(run)}",
        why="Near a saddle or on a plateau gradients are almost zero and small steps stay there. A rate that "
        "rises again from time to time carries the weights across the flat region.",
        cost="The loss rises at every restart; judge, and save, the end of a cycle only.",
        changes=(Change("optimizer.schedule", "set", "cyclic"),),
        code=_scheduled("CosineDecayRestarts(rate, first_decay_steps=max(1, steps // 3), t_mul=1.0, m_mul=0.9)", run),
        addresses=addresses,
    )


def use_adam(*, addresses: str = "") -> Fix:
    """A rate of its own for every parameter."""
    return Fix(
        id="use-adam",
        title="Train with Adam at a learning rate of 0.001",
        why="Adam keeps momentum and divides each parameter's step by the size of its own recent gradients, "
        "so layers with tiny gradients move too and plateaus are crossed sooner.",
        cost="Two more numbers of memory per weight; on some image tasks well-tuned SGD with momentum "
        "generalizes a little better in the end.",
        changes=(
            Change("optimizer.name", "set", "adam"),
            Change("optimizer.learning_rate", "set", 1e-3, low=1e-5, high=1e-2),
        ),
        code=retrain("keras.optimizers.Adam(learning_rate=1e-3)"),
        addresses=addresses,
    )


def add_momentum(*, addresses: str = "") -> Fix:
    """Average the steps."""
    return Fix(
        id="add-momentum",
        title="Add momentum of 0.9",
        why="Momentum adds up steps that agree and cancels those that alternate: faster convergence, less "
        "oscillation, steadier steps, and enough speed to cross a plateau or a shallow dip.",
        cost="The effective step grows about tenfold: lower the learning rate if the loss starts to swing.",
        changes=(Change("optimizer.momentum", "set", 0.9, low=0.5, high=0.99),),
        code=retrain(f"keras.optimizers.SGD({_RATE}, momentum=0.9, nesterov=True)"),
        addresses=addresses,
    )


def lower_momentum(*, addresses: str = "") -> Fix:
    """Forget old steps sooner."""
    return Fix(
        id="lower-momentum",
        title="Lower the momentum by 0.2",
        why="High momentum goes on in a direction long after the gradient has turned: the loss then swings "
        "in slow waves. Less of it forgets old steps sooner.",
        cost="Slower along flat, straight valleys.",
        changes=(Change("optimizer.momentum", "add", -0.2, low=0.0, high=0.99),),
        code=(
            "settings = model.optimizer.get_config()\n"
            'name = "momentum" if "momentum" in settings else "beta_1"  # beta_1 is Adam\'s momentum\n'
            "settings[name] = max(0.0, settings[name] - 0.2)\n"
        )
        + retrain("type(model.optimizer).from_config(settings)"),
        addresses=addresses,
    )
