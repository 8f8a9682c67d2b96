"""Remedies in named layers of the very model that was looked at: edits of it, and the same as code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from diagnose.fix import Applicability, Change, Edit, Fix
from diagnose.remedies.snippets import change_layers, compile_and_fit, fit

_RECURRENT = {"recurrent_initializer": "orthogonal", "kernel_initializer": "glorot_uniform"}
#: Shown in titles; the rest is in the edits.
_NAMED = 3


def initialize(fitting: Mapping[str, str], *, addresses: str = "") -> Fix:
    """Give each layer the initializer that fits its activation: layer -> Keras' name of it."""
    kinds = sorted(set(fitting.values()))
    return Fix(
        id="initialize-layers",
        title=f"Set kernel_initializer of {_listed(tuple(fitting))} to {' or '.join(kinds)}",
        why="He initialization (variance 2/fan-in) makes up for the half that ReLU cuts off, Glorot's (2/(fan-in + "
        "fan-out)) keeps sigmoid and tanh in their steep part, LeCun's (1/fan-in) is what SELU was made for: the "
        "signal keeps its size from layer to layer. Being random, each of them makes the units differ.",
        cost="None.",
        applicability=Applicability.SAFE,
        changes=(Change("model.kernel_initializer", "set", kinds[0]),) if len(kinds) == 1 else (),
        edits=tuple(Edit(name, "kernel_initializer", value) for name, value in fitting.items()),
        code=_reconfigured("kernel_initializer", {_own(name): value for name, value in fitting.items()}),
        addresses=addresses,
    )


def initialize_recurrent(names: Sequence[str], *, is_plain: bool = True, addresses: str = "") -> Fix:
    """Begin recurrences with orthogonal weights of gain 1, and their input weights with Glorot's."""
    return Fix(
        id="initialize-recurrent",
        title=f"Leave the initializers of {_listed(names)} to Keras: orthogonal of gain 1, Glorot",
        why="An orthogonal matrix of gain 1 turns the state and keeps its length; any other gain is multiplied with "
        "itself in every step, until the units stand at their bounds or the gradient has exploded.",
        cost="None.",
        applicability=Applicability.SAFE if is_plain else Applicability.MANUAL,
        edits=tuple(Edit(name, setting, value) for name in names for setting, value in _RECURRENT.items() if is_plain),
        code=change_layers(
            f"for cell in (config, *(part['config'] for part in config.values() if 'config' in (part or ())))"
            f":\n    if 'recurrent_initializer' in cell:\n        cell.update({_RECURRENT!r})\n"
        )
        + compile_and_fit("better"),
        addresses=addresses,
    )


def activate(names: Sequence[str], activation: str = "relu", *, addresses: str = "") -> Fix:
    """Give layers an activation."""
    return Fix(
        id="activate-layers",
        title=f"Give {_listed(names)} the activation {activation}",
        why="Between two layers a function that bends is what keeps them from being one linear layer, and one with a "
        "slope is what lets a gradient through.",
        cost="None worth naming; the network must be trained anew.",
        applicability=Applicability.SAFE,
        changes=(Change("model.activation", "set", activation),),
        edits=tuple(Edit(name, "activation", activation) for name in names),
        code=_reconfigured("activation", dict.fromkeys(map(_own, names), activation)),
        addresses=addresses,
    )


def fit_output(
    layer: str,
    *,
    activation: str = "",
    size: str = "units",
    units: int | None = None,
    loss: str = "",
    is_sure: bool = True,
    addresses: str = "",
) -> Fix:
    """Give the output layer another activation or size, or the compilation another loss, whichever is named."""
    configured: dict[str, str | int] = {"activation": activation} if activation else {}
    if units is not None:
        configured[size] = units
    wanted = [f"{setting}={value!r}" for setting, value in configured.items()]
    compiled = [f"loss={loss!r}"] if loss else []
    changes = [
        Change(path, "set", value)
        for path, value in (("model.output_activation", activation), ("model.loss", loss))
        if value
    ]
    return Fix(
        id="fit-output",
        title=f"Use {', '.join(wanted + compiled)}" + (f" for {layer}" if wanted else ""),
        why="One sigmoid unit goes with binary cross-entropy, K softmax units with categorical cross-entropy (one-hot "
        "labels) or its sparse form (class numbers), K sigmoid units with binary cross-entropy where several labels "
        "may hold, a linear output with a regression loss.",
        cost="None; the network must be trained anew.",
        applicability=Applicability.SAFE if is_sure else Applicability.UNSAFE,
        changes=tuple(changes),
        edits=(
            *(Edit(layer, setting, value) for setting, value in configured.items()),
            *((Edit("", "loss", loss),) if loss else ()),
        ),
        code=_refitted(_own(layer), configured, loss),
        addresses=addresses,
    )


def flatten_before(layer: str, *, addresses: str = "") -> Fix:
    """Bring feature maps or sequences down to one vector per sample before the output layer."""
    return Fix(
        id="flatten-before-output",
        title=f"Flatten, or pool globally, before {layer}",
        why="A dense layer works on the last axis alone: given a feature map it makes one prediction for each place "
        "of it, and the labels hold one for each sample.",
        cost="Flatten makes the output layer large; global average pooling does not, and forgets places.",
        applicability=Applicability.MANUAL,
        code=(
            "layer = model.layers[-1]\n"
            "flat = keras.layers.Flatten()(layer.input)  # of recurrent layers: return_sequences=False\n"
            "outputs = type(layer).from_config(layer.get_config())(flat)\n"
            "better = keras.models.clone_model(keras.Model(model.inputs, outputs))  # new weights\n"
        )
        + compile_and_fit("better"),
        addresses=addresses,
    )


def _own(name: str) -> str:
    """Return a layer's own name, without those of its containers."""
    return name.rpartition("/")[2]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _dictionary(values: Mapping[str, str]) -> str:
    """Return a dictionary as code, a line for each member where there are several: names can be long."""
    if len(values) == 1:
        return repr(dict(values))
    return "{\n" + "".join(f"    {name!r}: {value!r},\n" for name, value in values.items()) + "}"


def _reconfigured(setting: str, values: Mapping[str, str]) -> str:
    change = f"if layer.name in fitting:\n    config[{setting!r}] = fitting[layer.name]\n"
    return f"fitting = {_dictionary(values)}\n\n\n" + change_layers(change) + compile_and_fit("better")


def _refitted(layer: str, configured: Mapping[str, str | int], loss: str) -> str:
    clone = change_layers(f"if layer.name == {layer!r}:\n    config.update({dict(configured)!r})\n")
    if not configured:
        clone = "better = keras.models.clone_model(model)  # new weights\n"
    if not loss:
        return clone + compile_and_fit("better")
    return clone + f'better.compile(optimizer="adam", loss={loss!r}, metrics=["accuracy"])\n' + fit("better")
