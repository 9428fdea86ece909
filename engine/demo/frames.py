"""Raw frames of the miniature MUSE: BIAS, OBJECT (a star field under the night sky) and SKY.

What is drawn is what the recipes undo: electrons / gain + bias, slices side by side on the CCD,
wavelengths along y. Noise is seeded by the frame's own time stamp: every frame is the same on every machine.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from engine.demo.instrument import MODE, MUSE, READ_ID, READ_NAME, SKY_CONTINUUM, SKY_LINES
from engine.demo.night import PROGRAMME, RUN, Exposure, Target

SEEING = 0.8  # arcsec, FWHM
_PORTS = ((1, 1), (4096, 1), (4096, 4112), (1, 4112))
Array = np.ndarray[Any, np.dtype[np.floating[Any]]]


def write_raw(exposure: Exposure, path: Path) -> None:
    """Write the raw frame of `exposure` to `path` (0.9 MB) with checksums; FileExistsError when it is there."""
    dice = np.random.default_rng(zlib.crc32(exposure.root.encode()))
    electrons = np.zeros((MUSE.waves, MUSE.columns))
    if exposure.type != "BIAS":
        electrons = dice.poisson(detector(scene(exposure) * MUSE.sensitivity())).astype(float)
    primary = fits.PrimaryHDU(header=primary_header(exposure))
    image = fits.ImageHDU(_read_out(electrons, dice), name="CHAN01")
    image.header.update(chip_header())
    write_new([primary, image], path)


def write_new(hdus: list[fits.FitsHDU], path: Path) -> None:
    """Write a FITS file with checksums that carry no date: the same content is the same bytes."""
    file = fits.HDUList(hdus)
    file.update_extend()
    for hdu in file:
        hdu.add_checksum(when="of the demo")
    file.writeto(path)


def scene(exposure: Exposure) -> Array:
    """Flux of stars and sky as a cube (wavelength, y north, x west), in flux units per spaxel."""
    cube = np.zeros((MUSE.waves, MUSE.slices, MUSE.width)) + sky_spectrum()[:, None, None] * MUSE.spaxel**2
    if exposure.type == "OBJECT" and exposure.target:
        cube += star_image(exposure.target, exposure.east, exposure.north)[None]
    return cube


def star_image(target: Target, east: float, north: float) -> Array:
    """The stars as seen when the telescope points `east`/`north` arcsec off the target's centre."""
    from math import erf, sqrt

    sigma = SEEING / 2.3548 / MUSE.spaxel
    image = np.zeros((MUSE.slices, MUSE.width))

    def profile(size: int, centre: float) -> Array:
        edges = np.arange(size + 1) - size / 2
        return np.diff([0.5 * (1 + erf((edge - centre) / sigma / sqrt(2))) for edge in edges])

    for star in target.stars:
        west = -(star.east - east) / MUSE.spaxel
        up = (star.north - north) / MUSE.spaxel
        image += star.flux * np.outer(profile(MUSE.slices, up), profile(MUSE.width, west))
    return image


def wavelengths() -> Array:
    """Wavelength of every row of light, Angstrom."""
    return MUSE.lambda0 + MUSE.step * np.arange(1, MUSE.waves + 1)


def sky_spectrum() -> Array:
    """Sky brightness per row, per arcsec2: continuum plus lines as wide as the line spread function."""
    rows = wavelengths()
    spectrum = np.full(rows.shape, SKY_CONTINUUM)
    for centre, flux, _, _ in SKY_LINES:
        spectrum += flux * np.exp(-0.5 * ((rows - centre) / MUSE.lsf_sigma) ** 2) / (MUSE.lsf_sigma * 2.506628)
    return spectrum


def detector(cube: Array) -> Array:
    """A cube laid out on the CCD: slice n of the field becomes the n-th strip."""
    light = np.zeros((MUSE.waves, MUSE.columns))
    for number in range(MUSE.slices):
        first = round(MUSE.left(number + 1)) - 1
        light[:, first : first + MUSE.width] = cube[:, number, ::-1]  # CCD x runs east to west mirrored
    return light


def _read_out(electrons: Array, dice: np.random.Generator) -> np.ndarray[Any, np.dtype[np.uint16]]:
    half_y, half_x, scan = MUSE.waves // 2, MUSE.columns // 2, MUSE.scan
    raw = np.zeros((MUSE.waves + 4 * scan, MUSE.columns + 4 * scan))
    rows = np.r_[scan : scan + half_y, 3 * scan + half_y : 3 * scan + 2 * half_y]
    columns = np.r_[scan : scan + half_x, 3 * scan + half_x : 3 * scan + 2 * half_x]
    raw[np.ix_(rows, columns)] = electrons
    raw += dice.normal(0.0, MUSE.ron, raw.shape)
    middle_y, middle_x = raw.shape[0] // 2, raw.shape[1] // 2
    level = np.empty_like(raw)
    level[:middle_y, :middle_x], level[:middle_y, middle_x:] = MUSE.bias, MUSE.bias + 4
    level[middle_y:, middle_x:], level[middle_y:, :middle_x] = MUSE.bias + 9, MUSE.bias + 6
    return np.clip(np.rint(raw / MUSE.gain + level), 0, 65535).astype(np.uint16)


def chip_header() -> fits.Header:
    """Detector keywords as every extension and master of channel 1 carries them."""
    cards: dict[str, object] = {
        "ESO DET CHIP NAME": "NUBIAN",
        "ESO DET CHIP ID": "MINI-1",
        "ESO DET CHIP DATE": "2013-08-30",
        "ESO DET CHIP LIVE": True,
        "ESO DET CHIP NX": MUSE.columns + 4 * MUSE.scan,
        "ESO DET CHIP NY": MUSE.waves + 4 * MUSE.scan,
    }
    for number, (x, y) in enumerate(_PORTS, 1):
        port = f"ESO DET OUT{number}"
        cards |= {
            f"{port} X": x,
            f"{port} Y": y,
            f"{port} NX": MUSE.columns // 2,
            f"{port} NY": MUSE.waves // 2,
            f"{port} PRSCX": MUSE.scan,
            f"{port} PRSCY": MUSE.scan,
            f"{port} OVSCX": MUSE.scan,
            f"{port} OVSCY": MUSE.scan,
            f"{port} GAIN": MUSE.gain,
            f"{port} RON": MUSE.ron,
        }
    return _header(cards)


def read_header() -> dict[str, object]:
    """Read-out and instrument set-up: what calibrations are matched by."""
    return {
        "ESO DET BINX": 1,
        "ESO DET BINY": 1,
        "ESO DET READ CURID": READ_ID,
        "ESO DET READ CURNAME": READ_NAME,
        "ESO INS MODE": MODE,
        "ESO INS OPTI1 NAME": "OUT",
        "ESO INS OPTI2 NAME": "WFM",
    }


def primary_header(exposure: Exposure) -> fits.Header:
    """The primary header of a raw frame."""
    bias = exposure.type == "BIAS"
    cards: dict[str, object] = {
        "ORIGIN": "ESO",
        "TELESCOP": "ESO-VLT-U4",
        "INSTRUME": "MUSE",
        "OBJECT": exposure.target.name if exposure.target and exposure.type == "OBJECT" else exposure.type,
        "DATE-OBS": exposure.stamp,
        "MJD-OBS": round(exposure.mjd, 8),
        "EXPTIME": 0.0 if bias else MUSE.exptime,
        "ARCFILE": f"{exposure.root}.fits",
        "ORIGFILE": f"MUSE_{'CAL' if bias else 'OBS'}{exposure.start:%j}_{exposure.number:04d}.fits",
        "ESO DPR CATG": "CALIB" if bias else "SCIENCE",
        "ESO DPR TYPE": exposure.type,
        "ESO DPR TECH": "IFU",
        "ESO OBS ID": exposure.ob,
        "ESO OBS NAME": f"OB-{exposure.ob}",
        "ESO OBS PROG ID": "60.A-9100(B)" if bias else PROGRAMME,
        "ESO OBS TARG NAME": exposure.target.name if exposure.target else "CALIB",
        "ESO TPL ID": "MUSE_wfm_cal_bias" if bias else "MUSE_wfm-noao_obs_genericoffset",
        "ESO TPL START": exposure.template.isoformat(timespec="seconds"),
        "ESO TPL EXPNO": exposure.number,
    }
    cards |= read_header()
    if exposure.target:
        cards |= _pointing(exposure, exposure.target)
    return _header(cards)


def _pointing(exposure: Exposure, target: Target) -> dict[str, object]:
    east = exposure.east + exposure.error_east + (120.0 if exposure.type == "SKY" else 0.0)
    dec = target.dec + (exposure.north + exposure.error_north) / 3600
    ra = target.ra + east / 3600 / float(np.cos(np.radians(target.dec)))
    cards: dict[str, object] = {
        "RA": round(ra, 9),
        "DEC": round(dec, 9),
        "EQUINOX": 2000.0,
        "RADECSYS": "FK5",
        "LST": round(ra / 15 * 3600, 3),
        "ESO INS DROT MODE": "SKY",
        "ESO INS DROT POSANG": 0.0,
        "ESO TEL GEOLAT": -24.6270,
        "ESO TEL GEOLON": -70.4040,
        "ESO TEL GEOELEV": 2648.0,
        "ESO TEL AMBI TEMP": 12.0,
        "ESO TEL AMBI RHUM": 8.0,
        "ESO OBS RUN": RUN,
    }
    for end in ("START", "END"):
        cards |= {
            f"ESO TEL AIRM {end}": MUSE.airmass,
            f"ESO TEL PARANG {end}": 0.0,
            f"ESO TEL AMBI PRES {end}": 744.0,
            f"ESO TEL AMBI FWHM {end}": SEEING,
        }
    return cards


def _header(cards: dict[str, object]) -> fits.Header:
    header = fits.Header()
    for key, value in cards.items():
        header[f"HIERARCH {key}" if key.startswith("ESO ") else key] = value
    return header
