"""Images as arrays: from files, at one size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from recipes.data import storage

#: What Pillow may take a file for, by the endings of names.
FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP", ".gif": "GIF", ".webp": "WEBP", ".tif": "TIFF",
    ".tiff": "TIFF",
}  # fmt: skip
#: An image with more pixels may be made to fill the memory.
MOST_PIXELS = 100_000_000
#: Modes of Pillow without colour.
_GRAY = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N", "F")
_ORIENTATION = 0x0112


def header(path: Path) -> tuple[tuple[int, int], bool]:
    """Return height and width of an image file as it is to be seen, and whether it is gray; decodes nothing.

    Raises
    ------
    Exception
        Of any kind: Pillow raises what its formats' parsers do.
    """
    with _open(path) as image:
        width, height = image.size
        return ((width, height) if _orientation(image) >= 5 else (height, width)), image.mode in _GRAY


def decode(path: Path, size: tuple[int, int], channels: int) -> NDArray[np.uint8]:
    """Return an image file as (height, width, channels).

    Parameters
    ----------
    path
        The file. The first picture of it counts; what is transparent is on white; turned as its EXIF data says.
    size
        Height and width that the whole image is resized to, bilinearly.
    channels
        1 or 3.

    Raises
    ------
    Exception
        Of any kind: Pillow raises what its formats' parsers do.
    """
    mode = "L" if channels == 1 else "RGB"
    with _open(path) as image:
        if image.format == "JPEG":  # decodes at an eighth, a quarter or a half of the size where that is enough
            side = 2 * max(size)
            image.draft(None, (side, side))
        turned = ImageOps.exif_transpose(image) if _orientation(image) > 1 else image
        plain = _eight_bits(turned).convert(mode)
    if plain.size != (size[1], size[0]):
        plain = plain.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(plain, np.uint8).reshape(*size, channels)


def _open(path: Path) -> Image.Image:
    image = Image.open(path, formats=tuple(sorted(set(FORMATS.values()))))
    if image.width * image.height > MOST_PIXELS:
        image.close()
        raise ValueError(f"{image.width} x {image.height} pixels are too many")
    return image


def _orientation(image: Image.Image) -> int:
    """Return EXIF's orientation, 1 to 8; 1 where there is none, or none that can be read."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # a broken note on an image is no broken image
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return an image of 8 bits a channel, without transparency."""
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_scaled(np.asarray(image)))
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        opaque = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque)
    return image


def _scaled(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return gray values of more than 8 bits, or fractions, as 0 to 255."""
    levels = values.astype(np.float64)
    if not np.isfinite(levels).all():
        raise ValueError("it has values that are not finite")
    most = levels.max(initial=0.0)
    full = 65535.0 if values.dtype.kind != "f" and (values.dtype.itemsize == 2 or most > 255) else 255.0
    full = 1.0 if values.dtype.kind == "f" and most <= 1 else full
    return np.asarray(np.clip(np.round(levels * (255 / full)), 0, 255), np.uint8)


def resize_all(images: NDArray[Any], side: int, cache: str) -> NDArray[Any]:
    """Return images (n, height, width, channels), uint8 or float32, as (n, side, side, channels), bilinearly."""
    count, _, _, channels = images.shape
    resized = storage.empty((count, side, side, channels), images.dtype, cache)
    for number in range(count):
        for channel in range(channels):
            plane = Image.fromarray(np.ascontiguousarray(images[number, :, :, channel]))
            resized[number, :, :, channel] = np.asarray(plane.resize((side, side), Image.Resampling.BILINEAR))
    return resized
