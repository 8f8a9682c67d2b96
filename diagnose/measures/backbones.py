"""Published networks inside a model, recognized by their names: what they expect as input, and which layers are theirs.

Names and input scalings are those of ``keras.applications`` in Keras 3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from diagnose.blueprint import Blueprint, Layer


class Scaling(StrEnum):
    """How a network was given its images when it was trained on ImageNet."""

    #: Blue, green, red, each less its mean, not scaled: about -124 to 152.
    CAFFE = "caffe"
    #: -1 to 1.
    SYMMETRIC = "symmetric"
    #: 0 to 1, less the mean of ImageNet, by its deviation: about -2.1 to 2.6.
    TORCH = "torch"
    #: 0 to 255: it scales them itself.
    RAW = "raw"


@dataclass(frozen=True)
class Family:
    """Networks of one kind.

    Parameters
    ----------
    title
        As Keras calls the function that makes one.
    module
        Of ``keras.applications``: its ``preprocess_input`` is the right one.
    scaling
        What it expects.
    name
        Matches what Keras calls the model.
    landmarks
        Names of layers that only such a network has, the last of them near its end: it is recognized by them where its
        layers stand in the user's model without a container.
    """

    title: str
    module: str
    scaling: Scaling
    name: re.Pattern[str]
    landmarks: tuple[str, ...] = ()


def _family(title: str, module: str, scaling: Scaling, name: str, *landmarks: str) -> Family:
    return Family(title, module, scaling, re.compile(name, re.IGNORECASE), landmarks)


FAMILIES = (
    _family("VGG", "vgg16", Scaling.CAFFE, r"vgg(16|19)", "block1_conv1", "block5_conv3"),
    _family("ResNetV2", "resnet_v2", Scaling.SYMMETRIC, r"resnet(50|101|152)v2", "conv1_conv", "post_relu"),
    _family("ResNet", "resnet", Scaling.CAFFE, r"resnet(50|101|152)", "conv1_conv", "conv5_block3_out"),
    _family("MobileNetV3", "mobilenet_v3", Scaling.RAW, r"mobilenetv3(small|large)"),
    _family("MobileNetV2", "mobilenet_v2", Scaling.SYMMETRIC, r"mobilenetv2(_.+)?", "bn_Conv1", "out_relu"),
    _family("MobileNet", "mobilenet", Scaling.SYMMETRIC, r"mobilenet(_.+)?", "conv_dw_1", "conv_pw_13_relu"),
    _family("InceptionResNetV2", "inception_resnet_v2", Scaling.SYMMETRIC, r"inception_resnet_v2", "mixed_5b",
            "conv_7b_ac"),
    _family("InceptionV3", "inception_v3", Scaling.SYMMETRIC, r"inception_v3", "mixed0", "mixed10"),
    _family("Xception", "xception", Scaling.SYMMETRIC, r"xception", "block2_sepconv1", "block14_sepconv2_act"),
    _family("DenseNet", "densenet", Scaling.TORCH, r"densenet(121|169|201)", "conv2_block1_concat",
            "pool4_conv", "relu"),
    _family("NASNet", "nasnet", Scaling.SYMMETRIC, r"nasnet(_mobile|_large)?"),
    _family("EfficientNetV2", "efficientnet_v2", Scaling.RAW, r"efficientnetv2-\w+"),
    _family("EfficientNet", "efficientnet", Scaling.RAW, r"efficientnetb[0-7]", "block1a_dwconv", "top_activation"),
    _family("ConvNeXt", "convnext", Scaling.RAW, r"convnext_\w+"),
)  # fmt: skip

#: The layers of their own classifiers, which some keep as features.
TOPS = re.compile(r"fc[12]|conv_preds|predictions|probs|top_\w+|Conv_2|head_\w+")

#: Families that scale their input themselves can be made without the layer that does so.
_SCALES_ITSELF = frozenset(("Rescaling", "Normalization"))


@dataclass(frozen=True)
class Backbone:
    """One published network in a model: its family, the layers that are its own, and what it expects of its input."""

    name: str
    family: Family
    layers: tuple[Layer, ...]

    @property
    def scaling(self) -> Scaling | None:
        """What it expects; None where it was made without its own scaling, so that nobody can say."""
        if self.family.scaling is Scaling.RAW and not any(each.kind in _SCALES_ITSELF for each in self.layers):
            return None
        return self.family.scaling

    @property
    def is_transferred(self) -> bool:
        """Whether it shows that its weights come from elsewhere.

        Some are frozen, it is held in inference mode or meant to be, or its numbers have moved from where they begin.
        """
        return any(
            (each.parameters and not each.is_trainable)
            or each.training is False
            or each.default_training is False
            or each.has_learned
            for each in self.layers
        )


def family_of(name: str) -> Family | None:
    """Return the family of a model that Keras calls so (``resnet50``, ``resnet50_1``)."""
    plain = re.sub(r"(?<=[a-zA-Z]\d\d)_\d+$|(?<=_v[23])_\d+$", "", name)
    return next((family for family in FAMILIES if family.name.fullmatch(plain)), None)


def backbones(model: Blueprint) -> tuple[Backbone, ...]:
    """Return the published networks in a model: containers of a known name, the model itself, or some of its layers."""
    by_container: dict[str, list[Layer]] = {}
    for layer in model.layers:
        for holder in layer.container.split("/"):
            if holder and family_of(holder):
                by_container.setdefault(holder, []).append(layer)
                break
    found = [
        Backbone(holder, family, tuple(layers))
        for holder, layers in by_container.items()
        if (family := family_of(holder)) is not None
    ]
    if found:
        return tuple(found)
    whole = family_of(model.name)
    if whole is not None:
        return (Backbone(model.name, whole, model.layers),)
    return tuple(filter(None, (_among_the_layers(model, family) for family in FAMILIES)))[:1]


def published(model: Blueprint) -> frozenset[str]:
    """Return the names of the layers that belong to published networks: they are as their authors made them."""
    return frozenset(layer.name for backbone in backbones(model) for layer in backbone.layers)


def _among_the_layers(model: Blueprint, family: Family) -> Backbone | None:
    """Return the network whose layers stand in the model itself, up to its last landmark."""
    if not family.landmarks or not all(name in model.by_name for name in family.landmarks):
        return None
    last = model.by_name[family.landmarks[-1]]
    own = {each.name for each in model.upstream(last)} | {last.name}
    return Backbone(family.title, family, tuple(each for each in model.layers if each.name in own))
