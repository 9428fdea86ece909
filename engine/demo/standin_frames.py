"""Frames in, products out: the SOF, and FITS products with the header chain of the MUSE recipes."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from engine.demo.standin_errors import MissingInput, RecipeFailed
from engine.demo.standin_log import Log
from engine.demo.standin_params import Value

PIPELINE = "standin/0.1"
FLUX_UNIT = "10**(-20)*erg/s/cm**2/Angstrom"
_RAW_TAGS = {"BIAS", "OBJECT", "SKY", "PIXTABLE_OBJECT", "PIXTABLE_SKY", "PIXTABLE_REDUCED", "IMAGE_FOV"}
_STRUCTURE = (
    "SIMPLE",
    "BITPIX",
    "NAXIS",
    "EXTEND",
    "CHECKSUM",
    "DATASUM",
    "EXTNAME",
    "PIPEFILE",
    "DATAMD5",
    "DATE",
    "COMMENT",
)


@dataclass(frozen=True, slots=True)
class Frame:
    """One line of a SOF."""

    path: Path
    tag: str


@dataclass(frozen=True, slots=True)
class Product:
    """A product in memory: PRO.CATG, file name, HDUs behind the primary, extra primary keywords."""

    catg: str
    name: str
    hdus: Sequence[Any]
    cards: dict[str, Value]
    primary: Any = None  # data of the primary HDU


def read_sof(paths: Iterable[Path], check: bool) -> list[Frame]:
    """The frames of SOF files; MissingInput when one, or a file in it, is not there."""
    frames: list[Frame] = []
    for sof in paths:
        problem = f"Problem occurred loading frameset from the SOF file '{sof}'."
        try:
            text = sof.read_text("utf-8", "surrogateescape")
        except OSError:
            raise MissingInput(f"Unable to open SOF file '{sof}'", problem) from None
        for number, line in enumerate(text.splitlines(), 1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            path, tag = Path(os.path.expandvars(words[0])), words[1] if len(words) > 1 else ""
            if check and not path.is_file():
                raise MissingInput(
                    f"Could not open the input file '{path}' with tag '{tag}' and no group"
                    f" in line {number} of the SOF '{sof}'",
                    problem,
                )
            frames.append(Frame(path, tag))
    return frames


@dataclass(frozen=True)
class Call:
    """One call of a recipe: parameters, frames, and where it speaks."""

    recipe: str
    params: dict[str, Value]
    frames: Sequence[Frame]
    log: Log

    def tagged(self, *tags: str) -> list[Frame]:
        """The frames with one of these tags, in SOF order."""
        return [frame for frame in self.frames if frame.tag in tags]

    def calib(self, tag: str) -> Frame:
        """The calibration with this tag; RecipeFailed when it is not there."""
        found = self.tagged(tag)
        if not found:
            raise RecipeFailed(f'Required 1, found 0 frames with tag "{tag}" with IFU 1')
        return found[0]

    def open(self, frame: Frame) -> Any:
        """The opened FITS file of a frame; RecipeFailed when it cannot be read as FITS."""
        self.log.info(f'Loading "{frame.path}"')
        try:
            file = fits.open(frame.path, memmap=False)
            for hdu in file:
                _ = hdu.data
            return file
        except (OSError, ValueError, TypeError, IndexError) as trouble:
            raise RecipeFailed(f"Bad file format: '{frame.path}': {trouble}") from None

    def table(self, tag: str) -> Any:
        """The first table of a calibration."""
        with self.open(self.calib(tag)) as file:
            return file[1].data.copy()


def image(data: np.ndarray[Any, Any], name: str, unit: str = "", cards: dict[str, Value] | None = None) -> Any:
    """An image extension."""
    hdu = fits.ImageHDU(data)
    hdu.header["EXTNAME"] = name  # not by `name=`, which would write it in capitals
    if unit:
        hdu.header["BUNIT"] = unit
    hdu.header.update(cards or {})
    return hdu


def table(name: str, columns: dict[str, tuple[str, str, Any]]) -> Any:
    """A table extension from name -> (format, unit, values)."""
    made = [fits.Column(name=n, format=f, unit=u or None, array=v) for n, (f, u, v) in columns.items()]
    return fits.BinTableHDU.from_columns(made, name=name)


def main_frames(call: Call) -> list[Frame]:
    """The raw frames of a call, in the sense of DO.CLASS."""
    return [frame for frame in call.frames if frame.tag in _RAW_TAGS]


def save(call: Call, product: Product, used: Sequence[Frame], like: fits.Header) -> Path:
    """Write a product into the working directory; `used` are its main inputs, `like` the first one's header."""
    primary = fits.PrimaryHDU(product.primary)
    header = primary.header
    for card in like.cards:
        if (
            card.keyword not in _STRUCTURE
            and not card.keyword.startswith("NAXIS")
            and not card.keyword.startswith("ESO DPR")
        ):
            header.append(card if " " not in card.keyword else (f"HIERARCH {card.keyword}", card.value), end=True)
    header["PIPEFILE"] = product.name
    header["DATE"] = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    header["DATAMD5"] = _md5([primary, *product.hdus])
    for key, value in {**_chain(call, product, used, like), **product.cards}.items():
        if value is not None:
            header[f"HIERARCH {key}" if key.startswith("ESO ") else key] = value
    path = Path(product.name)
    try:
        fits.HDUList([primary, *product.hdus]).writeto(path, overwrite=True, checksum=True)
    except OSError as trouble:
        raise RecipeFailed(f'Could not save "{path}": {trouble.strerror or trouble}') from None
    call.log.info(f'Saving "{path}"')
    return path


def _chain(call: Call, product: Product, used: Sequence[Frame], like: fits.Header) -> dict[str, Value]:
    """PRO keywords: what it is, and how it came about (the current recipe is the highest RECi)."""
    step = 1
    while f"ESO PRO REC{step} ID" in like:
        step += 1
    record = f"ESO PRO REC{step}"
    cards: dict[str, Value] = {
        "ESO PRO ANCESTOR": str(like.get("ESO PRO ANCESTOR") or like.get("ARCFILE", "")),
        "ESO PRO DID": "PRO-1.16",
        "ESO PRO CATG": product.catg,
        "ESO PRO TYPE": "REDUCED",
        "ESO PRO TECH": "IFU",
        "ESO PRO SCIENCE": call.recipe.startswith("muse_sci") or call.recipe == "muse_exp_combine",
        "ESO PRO DATANCOM": len(used),
        f"{record} ID": call.recipe,
        f"{record} DRS ID": "numpy",
        f"{record} PIPE ID": PIPELINE,
    }
    for number, frame in enumerate(used, 1):
        cards |= {f"{record} RAW{number} NAME": frame.path.name, f"{record} RAW{number} CATG": frame.tag}
    calibs = [frame for frame in call.frames if frame.tag not in _RAW_TAGS]
    for number, frame in enumerate(calibs, 1):
        cards |= {f"{record} CAL{number} NAME": frame.path.name, f"{record} CAL{number} CATG": frame.tag}
    for number, (name, value) in enumerate(call.params.items(), 1):
        text = str(value).lower() if isinstance(value, bool) else str(value)
        cards |= {f"{record} PARAM{number} NAME": name, f"{record} PARAM{number} VALUE": text}
    return cards


def _md5(hdus: Sequence[Any]) -> str:
    """MD5 of the data units, padding included."""
    digest = hashlib.md5(usedforsecurity=False)
    for hdu in hdus:
        if hdu.data is None:
            continue
        data = hdu.data if isinstance(hdu, fits.BinTableHDU) else hdu.data.astype(hdu.data.dtype.newbyteorder(">"))
        raw = data.tobytes()
        digest.update(raw + b"\0" * (-len(raw) % 2880))
    return digest.hexdigest()
