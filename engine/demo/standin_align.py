"""Stand-in muse_exp_align: stars found in every image, fields matched, offsets measured against the first image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.demo.standin_errors import RecipeFailed
from engine.demo.standin_frames import FLUX_UNIT, Call, Frame, Product, image, save, table
from engine.demo.standin_params import Value, listed, number
from engine.demo.standin_stars import Array, find_stars

_BIN = 0.3  # arcsec, of the first guess


@dataclass(frozen=True)
class _Field:
    """One IMAGE_FOV with its stars; `east`/`north` are their places in arcsec, as its own header has them."""

    frame: Frame
    header: Any
    wcs: Any
    image: Array
    stars: Array
    ra: Array
    dec: Array


def muse_exp_align(call: Call) -> list[Product]:
    """OFFSET_LIST, PREVIEW_FOV and one SOURCE_LIST per image."""
    frames = call.tagged("IMAGE_FOV")
    if not frames:
        call.log.error("No valid raw tag(s) found!")
    if len(frames) < 2:
        raise RecipeFailed("This recipe requires at least 2 input FOV images!")
    fields = [_field(call, frame, number_) for number_, frame in enumerate(frames, 1)]
    offsets, matches = np.zeros((len(fields), 2)), [len(fields[0].stars)]
    for index, field in enumerate(fields[1:], 1):
        offsets[index], count = _offset(fields[0], field, listed(call.params, "rsearch"))
        matches.append(count)
    missed = sum(count < 2 for count in matches)
    matches[0] = max(matches[1:]) if missed < len(fields) else matches[0]
    missed = len(fields) if max(matches[1:]) < 2 else sum(count < 2 for count in matches)
    if missed:
        call.log.warning(f"No overlapping fields of view were found for {missed} images")
    dates = [str(field.header["DATE-OBS"]) for field in fields]
    columns: dict[str, tuple[str, str, Any]] = {
        "DATE_OBS": ("23A", "", dates),
        "MJD_OBS": ("D", "s", [float(field.header["MJD-OBS"]) for field in fields]),
        "RA_OFFSET": ("D", "deg", offsets[:, 0]),
        "DEC_OFFSET": ("D", "deg", offsets[:, 1]),
        "FLUX_SCALE": ("D", "", np.full(len(fields), np.nan)),
    }
    qc: dict[str, Value] = {}
    for index, (field, count) in enumerate(zip(fields, matches, strict=True), 1):
        qc[f"ESO QC EXPALIGN NDET{index}"] = len(field.stars)
        qc[f"ESO QC EXPALIGN NMATCH{index}"] = count
    qc["ESO QC EXPALIGN NMATCH MIN"] = min(matches) if not missed else -1
    qc["ESO QC EXPALIGN NOMATCH"] = missed
    for axis, name in enumerate(("RA", "DEC")):
        arcsec = offsets[:, axis] * 3600
        for word, value in (
            ("MIN", arcsec.min()),
            ("MAX", arcsec.max()),
            ("MEAN", arcsec.mean()),
            ("STDEV", arcsec.std()),
        ):
            qc[f"ESO QC EXPALIGN OFFSET {name} {word}"] = float(value)
    products = [Product("OFFSET_LIST", "OFFSET_LIST.fits", [table("", columns)], qc), _preview(fields, offsets)]
    products += [
        _source_list(field, offset, index) for index, (field, offset) in enumerate(zip(fields, offsets, strict=True), 1)
    ]
    for product in products:
        save(call, product, frames, fields[0].header)
    return products


def _field(call: Call, frame: Frame, place: int) -> _Field:
    with call.open(frame) as file:
        header = file[0].header.copy()
        if "DATA" not in file:
            raise RecipeFailed(f"{frame.path.name} has no extension DATA")
        data, wcs = np.array(file["DATA"].data, dtype=float), file["DATA"].header.copy()
    for key in ("DATE-OBS", "MJD-OBS"):
        if key not in header:
            raise RecipeFailed(f"{frame.path.name} lacks {key}")
    stars = _detected(call, data, place)
    dec = wcs["CRVAL2"] + (stars["y"] + 1 - wcs["CRPIX2"]) * wcs["CD2_2"]
    ra = wcs["CRVAL1"] + (stars["x"] + 1 - wcs["CRPIX1"]) * wcs["CD1_1"] / np.cos(np.radians(wcs["CRVAL2"]))
    return _Field(frame, header, wcs, data, stars, ra, dec)


def _detected(call: Call, data: Array, place: int) -> Array:
    """Stars above a threshold that walks down until --srcmin are found, or up while there are more than --srcmax."""
    least, most = int(number(call.params, "srcmin")), int(number(call.params, "srcmax"))
    threshold, step = number(call.params, "threshold"), number(call.params, "step")
    candidates = find_stars(data, 0.0, number(call.params, "bpixdistance"))
    spread = float(np.nanmedian(np.abs(data - np.nanmedian(data)))) * 1.4826
    floor = 3 * spread
    threshold = threshold if threshold > 0 else -threshold * spread
    for _ in range(int(number(call.params, "iterations"))):
        count = int((candidates["peak"] > threshold).sum())
        if count > most:
            threshold += step
        elif count < least and threshold - step > floor:
            threshold -= step
        else:
            break
    stars = candidates[candidates["peak"] > threshold]
    call.log.info(f"{len(stars)} point-sources detected in image {place}, detection threshold {threshold:.3f}")
    if len(stars) < least:
        call.log.warning(f"fewer than {least} sources in image {place}")
    return stars


def _offset(reference: _Field, field: _Field, radii: list[float]) -> tuple[Array, int]:
    """Offset of a field against the reference, degrees in RA and DEC coordinates, and how many stars agree."""
    if not len(reference.stars) or not len(field.stars):
        return np.zeros(2), 0
    scale = float(np.cos(np.radians(reference.wcs["CRVAL2"])))
    east = (field.ra[:, None] - reference.ra[None]) * 3600 * scale
    north = (field.dec[:, None] - reference.dec[None]) * 3600
    near = np.hypot(east, north) <= radii[0]
    if not near.any():
        return np.zeros(2), 0
    guess = _densest(east[near], north[near], radii[0])
    count = 0
    for radius in (1.0, 0.5, 0.3):
        distance = np.hypot(east - guess[0], north - guess[1])
        pairs = np.nonzero((distance <= radius) & (distance == distance.min(axis=1, keepdims=True)))
        count = len(pairs[0])
        if not count:
            return np.zeros(2), 0
        guess = np.array([np.median(east[pairs]), np.median(north[pairs])])
    if count < 2:
        return np.zeros(2), count
    return guess / 3600 / np.array([scale, 1.0]), count


def _densest(east: Array, north: Array, radius: float) -> Array:
    """Where most of the pairs lie: the peak of their 2-D histogram, counted with its neighbours."""
    bins = max(3, min(401, int(np.ceil(2 * radius / _BIN))))
    counts, x_edges, y_edges = np.histogram2d(east, north, bins=bins, range=[[-radius, radius]] * 2)
    padded = np.pad(counts, 1)
    summed = sum(padded[1 + dx : bins + 1 + dx, 1 + dy : bins + 1 + dy] for dx in (-1, 0, 1) for dy in (-1, 0, 1))
    x, y = np.unravel_index(int(np.argmax(summed + 0.5 * counts)), counts.shape)
    return np.array([(x_edges[x] + x_edges[x + 1]) / 2, (y_edges[y] + y_edges[y + 1]) / 2])


def _source_list(field: _Field, offset: Array, place: int) -> Product:
    stars = field.stars
    columns: dict[str, tuple[str, str, Any]] = {
        "Id": ("J", "", np.arange(1, len(stars) + 1)),
        "X": ("D", "pix", stars["x"] + 1),
        "Y": ("D", "pix", stars["y"] + 1),
        "Flux": ("D", "", stars["flux"]),
        "RA": ("D", "deg", field.ra),
        "DEC": ("D", "deg", field.dec),
        "RA_CORR": ("D", "deg", field.ra - offset[0]),
        "DEC_CORR": ("D", "deg", field.dec - offset[1]),
    }
    return Product("SOURCE_LIST", f"SOURCE_LIST_{place:04d}.fits", [table("", columns)], {})


def _preview(fields: list[_Field], offsets: Array) -> Product:
    """The mean of all images in the frame of the first one, to the nearest pixel."""
    first = fields[0]
    total, count = np.zeros(first.image.shape), np.zeros(first.image.shape)
    rows, columns = np.indices(first.image.shape)
    for field, offset in zip(fields, offsets, strict=True):
        scale = float(np.cos(np.radians(first.wcs["CRVAL2"])))
        right = (first.wcs["CRVAL1"] - (field.wcs["CRVAL1"] - offset[0])) * scale / first.wcs["CD1_1"]
        up = (first.wcs["CRVAL2"] - (field.wcs["CRVAL2"] - offset[1])) / first.wcs["CD2_2"]
        x = np.rint(columns + field.wcs["CRPIX1"] - first.wcs["CRPIX1"] + right).astype(int)
        y = np.rint(rows + field.wcs["CRPIX2"] - first.wcs["CRPIX2"] + up).astype(int)
        inside = (x >= 0) & (y >= 0) & (x < field.image.shape[1]) & (y < field.image.shape[0])
        value = field.image[y[inside], x[inside]]
        good = np.isfinite(value)
        total[inside] += np.where(good, value, 0)
        count[inside] += good
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan).astype("f4")
    wcs = {
        key: first.wcs[key] for key in first.wcs if key.startswith(("CTYPE", "CUNIT", "CRPIX", "CRVAL", "CD1", "CD2"))
    }
    return Product("PREVIEW_FOV", "PREVIEW_FOV.fits", [image(mean, "DATA", FLUX_UNIT, wcs)], {})
