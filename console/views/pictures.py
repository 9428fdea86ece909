"""Pictures of an AB's products as plain pixels: IMAGE_FOV from FITS, QC plots from PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from config.tree import DfoTree
from engine.core.ab import AB
from engine.errors import BadAb, BadFits
from engine.stores.abs import read
from screens.review.reviewed import Picture

FIELD = "IMAGE_FOV"
_LOW, _HIGH = 5.0, 99.5  # per cent of the pixels that become black and white


def names(tree: DfoTree, ab: AB) -> tuple[str, ...]:
    """What can be shown of an AB, the field of view first."""
    found = [FIELD] if _product(tree, ab, FIELD) else []
    found += [name for name in ab.further if name.endswith(".png") and _graphic(tree, ab, name)]
    return tuple(found)


def picture(tree: DfoTree, path: Path, name: str, width: int, height: int) -> Picture | None:
    """One picture, at most `width` x `height` pixels; None when it cannot be had."""
    try:
        ab = read(path)
        if name == FIELD:
            place = _product(tree, ab, FIELD)
            return _field(place, width, height) if place else None
        if name not in ab.further:
            return None
        graphic = _graphic(tree, ab, name)
        return _plot(graphic, width, height) if graphic else None
    except (BadAb, BadFits, OSError, ValueError):
        return None


def place_of(tree: DfoTree, ab: AB, name: str) -> Path | None:
    """Where a product or graphic of an AB stands: being certified, or moved."""
    places = (
        tree.product / ab.raw_type / ab.date,
        tree.expand(ab.get("PROD_PATH")) if ab.get("PROD_PATH") else tree.product,
        tree.final(ab.mode) / ab.date,
        tree.plt / ab.date,
    )
    return next((place / name for place in places if (place / name).is_file()), None)


def _product(tree: DfoTree, ab: AB, catg: str) -> Path | None:
    names = [product.name for product in ab.products if product.catg == catg]
    return place_of(tree, ab, names[0]) if names else None


def _graphic(tree: DfoTree, ab: AB, name: str) -> Path | None:
    return place_of(tree, ab, Path(name).name)


def _field(path: Path, width: int, height: int) -> Picture | None:
    """The image stretched between percentiles; where nothing was measured is black. North is up."""
    import numpy
    from astropy.io import fits

    with fits.open(path, memmap=False) as hdus:
        images = [hdu.data for hdu in hdus if hdu.data is not None and getattr(hdu.data, "ndim", 0) == 2]
    if not images:
        return None
    image = numpy.asarray(images[0], dtype="f4")[::-1]
    good = image[numpy.isfinite(image)]
    if not good.size:
        return None
    low, high = numpy.percentile(good, (_LOW, _HIGH))
    scaled = (image - low) / ((high - low) or 1.0)
    grey = (numpy.nan_to_num(scaled, nan=0.0, posinf=1.0, neginf=0.0).clip(0, 1) * 255).astype("u1")
    rows, columns = grey.shape
    caption = f"{FIELD}  {columns} x {rows} pixels, {low:.3g} to {high:.3g}"
    return _shrunk(numpy.repeat(grey[:, :, None], 3, axis=2), caption, width, height)


def _plot(path: Path, width: int, height: int) -> Picture | None:
    import numpy
    from PIL import Image

    with Image.open(path) as image:
        image.draft("RGB", (width * 2, height * 2))
        pixels = numpy.asarray(image.convert("RGB"))
    return _shrunk(pixels, path.name, width, height)


def _shrunk(pixels: Any, caption: str, width: int, height: int) -> Picture:
    from PIL import Image

    image = Image.fromarray(pixels, "RGB")
    share = min(width / image.width, height / image.height)
    size = (max(1, round(image.width * share)), max(1, round(image.height * share)))
    image = image.resize(size, Image.Resampling.BOX if share < 1 else Image.Resampling.NEAREST)
    return Picture(caption, image.width, image.height, image.tobytes())
