"""Stand-in muse_scipost and muse_exp_combine: sky-subtracted pixel tables, resampled into cubes by drizzling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.demo import standin_sky as sky
from engine.demo.standin_errors import RecipeFailed
from engine.demo.standin_frames import FLUX_UNIT, Call, Frame, Product, image, save
from engine.demo.standin_params import Value, listed, number
from engine.demo.standin_pixtable import Array, PixTable, load, to_hdus
from engine.demo.standin_stars import find_stars, fwhm

SPAXEL = 0.2  # arcsec
_RADIAN = 206264.80624709636  # arcsec
_WCS: dict[str, Value] = {
    "CTYPE1": "RA---TAN",
    "CUNIT1": "deg",
    "CTYPE2": "DEC--TAN",
    "CUNIT2": "deg",
    "CD1_2": 0.0,
    "CD2_1": 0.0,
}


@dataclass(frozen=True)
class _Exposure:
    """A reduced exposure: places east and north of its own pointing in arcsec, and the pointing in degrees."""

    frame: Frame
    header: Any
    pixels: PixTable
    ra: float
    dec: float


def muse_scipost(call: Call) -> list[Product]:
    """DATACUBE_FINAL, IMAGE_FOV and, with `individual` in --save, PIXTABLE_REDUCED."""
    frames = call.tagged("PIXTABLE_OBJECT")
    if not frames:
        raise RecipeFailed("No valid raw tag(s) found!")
    exposures, products = [], []
    for number_, frame in enumerate(frames, 1):
        pixels, header, unit = load(call, frame)
        if unit != "pix":
            raise RecipeFailed(f"{frame.path.name} is not in spaxels: input data do not match")
        call.log.info(f"Starting to process exposure {number_} (DATE-OBS={header['DATE-OBS']})")
        pixels, calibrated = sky.flux_calibrated(call, pixels, header, required=False)
        pixels = _without_sky(call, pixels)
        header.pop("EXTNAME", None)
        east, north = -pixels.xpos * SPAXEL, pixels.ypos * SPAXEL
        exposures.append(_exposure(frame, header, replace(pixels, xpos=east, ypos=north)))
        if "individual" in str(call.params["save"]).split(","):
            reduced = _reduced(exposures[-1].pixels)
            cards = {**_WCS, "CD1_1": -SPAXEL / 3600, "CD2_2": SPAXEL / 3600, **reduced.limits()}
            cards["ESO DRS MUSE PIXTABLE WCS"] = "projected (intermediate)"
            cards["ESO DRS MUSE PIXTABLE FLUXCAL"] = calibrated
            hdus = to_hdus(reduced, "rad", FLUX_UNIT if calibrated else "count")
            products.append(Product("PIXTABLE_REDUCED", f"PIXTABLE_REDUCED_{number_:04d}.fits", hdus, cards))
            save(call, products[-1], [frame], header)
    return [*_cube(call, exposures, frames, {}), *products]


def muse_exp_combine(call: Call) -> list[Product]:
    """DATACUBE_FINAL and IMAGE_FOV of several exposures, corrected by an OFFSET_LIST where there is one."""
    exposures: list[_Exposure] = []
    seen: set[str] = set()
    for frame in call.tagged("PIXTABLE_REDUCED"):
        pixels, header, unit = load(call, frame)
        if unit != "rad":
            raise RecipeFailed("combining the pixel tables didn't work: Input data do not match")
        if header["DATE-OBS"] in seen:
            call.log.warning(f"we already have exposure {header['DATE-OBS']}. Ignoring {frame.path.name}")
            continue
        seen.add(header["DATE-OBS"])
        exposures.append(_exposure(frame, header, _projected(pixels)))
    if not exposures:
        raise RecipeFailed("No valid raw tag(s) found!")
    if len(exposures) < 2:
        raise RecipeFailed("This recipe only makes sense with multiple exposures!")
    exposures.sort(key=lambda exposure: str(exposure.header["DATE-OBS"]))
    applied: dict[str, Value] = {}
    exposures = _corrected(call, exposures, applied) if call.tagged("OFFSET_LIST") else exposures
    call.log.info(f"{len(exposures)} tables to be combined, weighted using EXPTIME")
    if "combined" in str(call.params["save"]).split(","):
        call.log.warning("the stand-in makes no PIXTABLE_COMBINED")
    return _cube(call, exposures, [exposure.frame for exposure in exposures], applied)


def _exposure(frame: Frame, header: Any, pixels: PixTable) -> _Exposure:
    return _Exposure(frame, header, pixels, float(header["RA"]), float(header["DEC"]))


def _without_sky(call: Call, pixels: PixTable) -> PixTable:
    method = call.params["skymethod"]
    if method == "none":
        return pixels
    if method == "rowbyrow":
        raise RecipeFailed("the stand-in has no sky method 'rowbyrow'")
    if method == "subtract-model":
        for tag in ("SKY_LINES", "SKY_CONTINUUM"):
            call.calib(tag)
        model = sky.given(call)
    else:
        limits = (number(call.params, "skymodel_ignore"), number(call.params, "skymodel_fraction"))
        waves, spectrum, _ = sky.sky_spectrum(pixels, *limits)
        if method == "simple":
            return replace(pixels, data=pixels.data - np.interp(pixels.waves, waves, spectrum))
        model = sky.fitted(call, waves, spectrum)
    call.log.info(f"Subtracting sky, method {method}")
    return replace(pixels, data=pixels.data - model.at(pixels.waves))


def _reduced(pixels: PixTable) -> PixTable:
    """Tangent-plane offsets (arcsec) as native spherical coordinates, the pipeline's intermediate form."""
    east, north = pixels.xpos / _RADIAN, pixels.ypos / _RADIAN
    phi = np.arctan2(east, -north) % (2 * np.pi)
    return replace(pixels, xpos=phi, ypos=-np.arctan(np.hypot(east, north)))


def _projected(pixels: PixTable) -> PixTable:
    radius = np.tan(-pixels.ypos) * _RADIAN
    return replace(pixels, xpos=radius * np.sin(pixels.xpos), ypos=-radius * np.cos(pixels.xpos))


def _corrected(call: Call, exposures: Sequence[_Exposure], applied: dict[str, Value]) -> list[_Exposure]:
    """The exposures with their pointings corrected; `applied` gets what the cube's header tells."""
    rows = call.table("OFFSET_LIST")
    if rows.names is None or not {"DATE_OBS", "RA_OFFSET", "DEC_OFFSET"} <= set(rows.names):
        call.log.error("OFFSET_LIST lacks DATE_OBS, RA_OFFSET or DEC_OFFSET: offsets ignored")
        return list(exposures)
    offsets = {str(row["DATE_OBS"]).strip(): (float(row["RA_OFFSET"]), float(row["DEC_OFFSET"])) for row in rows}
    out = []
    for index, exposure in enumerate(exposures, 1):
        date = str(exposure.header["DATE-OBS"])
        found = offsets.get(date)
        if found:
            applied[f"ESO DRS MUSE OFFSET{index} DRA"], applied[f"ESO DRS MUSE OFFSET{index} DDEC"] = found
            applied[f"ESO DRS MUSE OFFSET{index} DATE-OBS"] = date
            exposure = replace(exposure, ra=exposure.ra - found[0], dec=exposure.dec - found[1])
        out.append(exposure)
        note = " (corrected offset)" if found else ""
        call.log.info(f"Pointing of exposure {index}: {exposure.ra:.6f} {exposure.dec:.6f} deg{note}")
    return out


def _cube(call: Call, exposures: Sequence[_Exposure], used: Sequence[Frame], cards: dict[str, Value]) -> list[Product]:
    """DATACUBE_FINAL and IMAGE_FOV of the exposures."""
    first = exposures[0]
    scale = float(np.cos(np.radians(first.dec)))
    west = [-(e.pixels.xpos + (e.ra - first.ra) * 3600 * scale) / SPAXEL for e in exposures]
    up = [(e.pixels.ypos + (e.dec - first.dec) * 3600) / SPAXEL for e in exposures]
    low = [min(float(part.min()) for part in parts) for parts in (west, up)]
    start = min(float(e.pixels.waves.min()) for e in exposures)
    high = [max(float(part.max()) for part in parts) for parts in (west, up)]
    stop = max(float(e.pixels.waves.max()) for e in exposures)
    shape = (
        round((stop - start) / sky.SAMPLING) + 1,
        round(high[1] - low[1]) + 1,
        round(high[0] - low[0]) + 1,
    )
    if shape[0] * shape[1] * shape[2] > 200_000_000:
        raise RecipeFailed(f"the cube would have {shape[2]} x {shape[1]} x {shape[0]} pixels: pointings too far apart")
    drop = listed(call.params, "pixfrac")[0]
    call.log.info(f"  Output cube size {shape[2]} x {shape[1]} x {shape[0]} (fit to data), drizzle pixfrac {drop}")
    sums = np.zeros((3, shape[0] * shape[1] * shape[2]))
    for exposure, x, y in zip(exposures, west, up, strict=True):
        z = (exposure.pixels.waves - start) / sky.SAMPLING
        _drizzle(sums, shape, (z, y - low[1], x - low[0]), exposure, drop)
    weight = sums[0]
    empty = weight <= 0
    norm = np.where(empty, 1.0, weight)
    data = np.where(empty, np.nan, sums[1] / norm).reshape(shape).astype("f4")
    stat = np.where(empty, np.nan, sums[2] / norm**2).reshape(shape).astype("f4")
    wcs = {**_WCS, "CD1_1": -SPAXEL / 3600, "CD2_2": SPAXEL / 3600, "CRVAL1": first.ra, "CRVAL2": first.dec}
    wcs |= {"CRPIX1": 1 - low[0], "CRPIX2": 1 - low[1]}
    return _saved(call, used, first, (data, stat), wcs, start, cards)


def _saved(
    call: Call,
    used: Sequence[Frame],
    first: _Exposure,
    cube: tuple[Array, Array],
    wcs: dict[str, Value],
    start: float,
    cards: dict[str, Value],
) -> list[Product]:
    data, stat = cube
    third: dict[str, Value] = {
        "CTYPE3": "AWAV",
        "CUNIT3": "Angstrom",
        "CD3_3": sky.SAMPLING,
        "CRPIX3": 1.0,
        "CRVAL3": start,
    }
    filled = np.isfinite(data)
    with np.errstate(invalid="ignore"):
        white = np.where(filled, data, 0).sum(axis=0) / np.where(filled.any(axis=0), filled.sum(axis=0), np.nan)
    stars = find_stars(white, 15.0)
    group = "EXPCOMB" if call.recipe == "muse_exp_combine" else "SCIPOST"
    widths = fwhm(white, stars) * SPAXEL if len(stars) else np.zeros(0)
    qc: dict[str, Value] = {f"ESO QC {group} NDET": len(stars), **cards}
    if len(widths):
        qc[f"ESO QC {group} FWHM MEDIAN"] = float(np.median(widths))
        call.log.info(f"{len(stars)} sources, median FWHM {float(np.median(widths)):.2f} arcsec")
    header = first.header.copy()
    for key in [
        key
        for key in header
        if key.startswith(("CTYPE", "CUNIT", "CD1_", "CD2_", "CRPIX", "CRVAL", "ESO DRS MUSE PIX"))
    ]:
        del header[key]
    hdus = [
        image(data, "DATA", FLUX_UNIT, {**wcs, **third}),
        image(stat, "STAT", f"({FLUX_UNIT})**2", {**wcs, **third}),
    ]
    products = [
        Product("DATACUBE_FINAL", "DATACUBE_FINAL.fits", hdus, qc),
        Product("IMAGE_FOV", "IMAGE_FOV_0001.fits", [image(white.astype("f4"), "DATA", FLUX_UNIT, wcs)], qc),
    ]
    for product in products:
        save(call, product, used, header)
    return products


def _drizzle(
    sums: Array, shape: tuple[int, int, int], places: Sequence[Array], exposure: _Exposure, drop: float
) -> None:
    """Spread every pixel as a small box over the voxels it covers: sums of weight, weight x data, weight^2 x stat."""
    spread = []
    for place in places:
        first = np.floor(place - drop / 2 + 0.5).astype(int)
        beyond = np.clip((place + drop / 2 - (first + 0.5)) / drop, 0.0, 1.0)
        spread.append(((first, 1 - beyond), (first + 1, beyond)))
    exptime = float(exposure.header.get("EXPTIME", 1.0)) or 1.0
    size = sums.shape[1]
    for z, wz in spread[0]:
        for y, wy in spread[1]:
            for x, wx in spread[2]:
                weight = wz * wy * wx * exptime
                inside = (weight > 1e-6 * exptime) & (z >= 0) & (y >= 0) & (x >= 0)
                inside &= (z < shape[0]) & (y < shape[1]) & (x < shape[2])
                if not inside.any():
                    continue
                voxel = (z[inside] * shape[1] + y[inside]) * shape[2] + x[inside]
                share, pixels = weight[inside], exposure.pixels
                sums[0] += np.bincount(voxel, share, size)
                sums[1] += np.bincount(voxel, share * pixels.data[inside], size)
                sums[2] += np.bincount(voxel, share**2 * pixels.stat[inside], size)
