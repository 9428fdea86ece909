"""The night sky of the stand-in: flux calibration, sky spectrum, line fit, model; and stand-in muse_create_sky."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.demo.standin_errors import RecipeFailed
from engine.demo.standin_frames import FLUX_UNIT, Call, Product, image, save, table
from engine.demo.standin_params import number
from engine.demo.standin_pixtable import Array, PixTable, load

SAMPLING = 1.25  # Angstrom per spectral pixel
_LINE_UNIT = "10**(-20)*erg/(s cm^2 arcsec^2)"


@dataclass(frozen=True)
class SkyModel:
    """Continuum (wave, flux) and lines (wave, flux) over a line spread function (offset, profile per Angstrom)."""

    waves: Array
    continuum: Array
    lines: Any
    fluxes: Array
    lsf: tuple[Array, Array]

    def at(self, waves: Array) -> Array:
        """The sky at wavelengths (Angstrom), flux per spaxel."""
        sky = np.interp(waves, self.waves, self.continuum)
        for centre, flux in zip(self.lines["lambda"], self.fluxes, strict=True):
            sky += flux * np.interp(waves - centre, *self.lsf, left=0.0, right=0.0)
        return sky


def flux_calibrated(call: Call, pixels: PixTable, header: Any, required: bool) -> tuple[PixTable, bool]:
    """Counts turned into flux with STD_RESPONSE and EXTINCT_TABLE, and whether that was possible."""
    if not (call.tagged("STD_RESPONSE") and call.tagged("EXTINCT_TABLE")):
        if required:
            raise RecipeFailed("Pixel table not flux calibrated: STD_RESPONSE or EXTINCT_TABLE is missing")
        call.log.warning("STD_RESPONSE or EXTINCT_TABLE is missing: not flux calibrated")
        return pixels, False
    response, extinction = call.table("STD_RESPONSE"), call.table("EXTINCT_TABLE")
    exptime = float(header.get("EXPTIME", 0.0))
    if exptime <= 0:
        raise RecipeFailed("EXPTIME is missing or zero: cannot be flux calibrated")
    airmass = float(header.get("ESO TEL AIRM START", 1.0))
    magnitudes = np.interp(pixels.waves, extinction["lambda"], extinction["extinction"]) * airmass
    magnitudes -= np.interp(pixels.waves, response["lambda"], response["response"])
    call.log.info(f"Flux calibration (exptime={exptime:.2f}s, airmass={airmass:.4f})")
    return pixels.scaled(10 ** (0.4 * magnitudes) * 1e20 / exptime / SAMPLING), True


def sky_spectrum(pixels: PixTable, ignore: float, fraction: float) -> tuple[Array, Array, Array]:
    """Wavelengths and mean spectrum of the dark part of the field, and which pixels that is."""
    spaxel = np.unique(np.stack([pixels.xpos, pixels.ypos]).round(3), axis=1, return_inverse=True)[1].ravel()
    count = np.bincount(spaxel)
    brightness = np.bincount(spaxel, pixels.data) / count
    low, high = np.quantile(brightness, [ignore, min(1.0, ignore + fraction)])
    dark = ((brightness >= low) & (brightness <= high))[spaxel]
    channel = np.rint((pixels.waves - pixels.waves.min()) / SAMPLING).astype(int)
    filled = np.bincount(channel[dark], minlength=channel.max() + 1)
    total = np.bincount(channel[dark], pixels.data[dark], minlength=channel.max() + 1)
    good = filled > 0
    waves = pixels.waves.min() + SAMPLING * np.arange(len(filled))
    return waves[good], total[good] / filled[good], dark


def fitted(call: Call, waves: Array, spectrum: Array) -> SkyModel:
    """Line fluxes fitted to a sky spectrum by least squares, and the continuum that is left."""
    lines, lsf = call.table("SKY_LINES"), _lsf(call)
    lines = lines[(lines["lambda"] > waves[0]) & (lines["lambda"] < waves[-1])]
    shapes = [np.interp(waves - centre, *lsf, left=0.0, right=0.0) for centre in lines["lambda"]]
    scaled = (waves - waves.mean()) / 100
    design = np.stack([*shapes, np.ones_like(scaled), scaled, scaled**2], axis=1)
    fluxes = np.linalg.lstsq(design, spectrum, rcond=None)[0][: len(shapes)]
    continuum = spectrum - design[:, : len(shapes)] @ fluxes
    call.log.info(f"Sky line fit: {len(fluxes)} lines, residual continuum {float(np.median(continuum)):.2f}")
    return SkyModel(waves, continuum, lines, fluxes, lsf)


def given(call: Call) -> SkyModel:
    """The sky model of SKY_LINES and SKY_CONTINUUM frames."""
    continuum, lines = call.table("SKY_CONTINUUM"), call.table("SKY_LINES")
    return SkyModel(continuum["lambda"], continuum["flux"], lines, lines["flux"], _lsf(call))


def _lsf(call: Call) -> tuple[Array, Array]:
    if not call.tagged("LSF_PROFILE"):
        raise RecipeFailed("Missing required LSF frames for sky model")
    with call.open(call.calib("LSF_PROFILE")) as file:
        hdu = file["LSF_PROFILE"]
        header, profile = hdu.header, np.asarray(hdu.data, dtype=float).mean(axis=(0, 1))
    offsets = header["CRVAL1"] + header["CD1_1"] * (np.arange(profile.size) + 1 - header["CRPIX1"])
    return offsets, profile


def muse_create_sky(call: Call) -> list[Product]:
    """SKY_LINES and SKY_CONTINUUM of an exposure of empty sky, with spectrum, mask and image."""
    frames = call.tagged("PIXTABLE_SKY")
    if not frames:
        raise RecipeFailed("No valid raw tag(s) found!")
    pixels, header, _ = load(call, frames[0])
    pixels, _ = flux_calibrated(call, pixels, header, required=True)
    waves, spectrum, dark = sky_spectrum(pixels, number(call.params, "ignore"), number(call.params, "fraction"))
    model = fitted(call, waves, spectrum)
    field, mask = _images(pixels, dark)
    lines = {
        "name": ("24A", "", model.lines["name"]),
        "group": ("J", "", model.lines["group"]),
        "lambda": ("D", "Angstrom", model.lines["lambda"]),
        "flux": ("D", _LINE_UNIT, model.fluxes),
        "dq": ("J", "", np.zeros(len(model.fluxes))),
    }
    continuum = {
        "lambda": ("D", "Angstrom", waves),
        "flux": ("D", "erg/(s cm^2 arcsec^2)", model.continuum),
    }
    whole = {
        "lambda": ("D", "Angstrom", waves),
        "data": ("D", FLUX_UNIT, spectrum),
        "stat": ("D", f"({FLUX_UNIT})**2", np.zeros_like(spectrum)),
        "dq": ("J", "", np.zeros(spectrum.size)),
    }
    products = [
        Product("SKY_CONTINUUM", "SKY_CONTINUUM.fits", [table("CONTINUUM", continuum)], {}),
        Product("SKY_IMAGE", "SKY_IMAGE.fits", [image(field.astype("f4"), "DATA", FLUX_UNIT)], {}),
        Product("SKY_LINES", "SKY_LINES.fits", [table("LINES", lines)], {}),
        Product("SKY_MASK", "SKY_MASK.fits", [], {}, primary=mask.astype("u1")),
        Product("SKY_SPECTRUM", "SKY_SPECTRUM.fits", [table("SPECTRUM", whole)], {}),
    ]
    header.pop("EXTNAME", None)
    for product in products:
        save(call, product, frames[:1], header)
    return products


def _images(pixels: PixTable, dark: Array) -> tuple[Array, Array]:
    """The field collapsed over wavelength, and the mask of its dark part."""
    x = np.rint(pixels.xpos - pixels.xpos.min()).astype(int)
    y = np.rint(pixels.ypos - pixels.ypos.min()).astype(int)
    shape = (int(y.max()) + 1, int(x.max()) + 1)
    place = y * shape[1] + x
    count = np.bincount(place, minlength=shape[0] * shape[1])
    field = np.bincount(place, pixels.data, minlength=count.size) / np.maximum(count, 1)
    mask = np.bincount(place, dark, minlength=count.size) > 0
    return np.where(count > 0, field, np.nan).reshape(shape), mask.reshape(shape)
