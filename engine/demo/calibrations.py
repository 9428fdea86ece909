"""Master and static calibrations of the miniature MUSE, for everything but the bias (which is made in the run).

Every function returns the HDUs of one file; `FILES` says which PRO.CATG has which name and maker. Names follow
the calibration scheme (product-codes section 2; the codes of static calibrations are inferred there).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from engine.demo.frames import chip_header, read_header, write_new
from engine.demo.instrument import MODE, MUSE, READ_NAME, SKY_LINES

_DATE = "2014-10-20T15:00:00"


@dataclass(frozen=True, slots=True)
class CalibFile:
    """A calibration: PRO.CATG, file name in `$DFO_CAL_DIR/gen`, and the function that makes its HDUs."""

    catg: str
    name: str
    make: Callable[[], list[fits.FitsHDU]]


def write(calib: CalibFile, directory: Path) -> Path:
    """Write one calibration with its checksums; FileExistsError when it is there already."""
    path = directory / calib.name
    primary = fits.PrimaryHDU()
    header = primary.header
    header.extend(chip_header())
    for key, value in {
        "EXTNAME": "CHAN01",
        "INSTRUME": "MUSE",
        "ORIGFILE": calib.name,
        "ARCFILE": f"M.MUSE.{_DATE}.000.fits",
        "DATE-OBS": _DATE,
        "MJD-OBS": 56950.625,
        "PIPEFILE": calib.name,
        **{f"HIERARCH {key}": value for key, value in read_header().items()},
        "HIERARCH ESO PRO CATG": calib.catg,
        "HIERARCH ESO PRO TYPE": "REDUCED",
        **_EXTRA.get(calib.catg, {}),
    }.items():
        header[key] = value
    if calib.catg in _WHOLE:
        del header["EXTNAME"]
    write_new([primary, *calib.make()], path)
    return path


_EXTRA: dict[str, dict[str, object]] = {
    "MASTER_FLAT": {"HIERARCH ESO QC FLAT MASTER INTFLUX": 1e7},
    "STD_RESPONSE": {"HIERARCH ESO DRS MUSE FLUX FFCORR": True},
}
_WHOLE = ("GEOMETRY_TABLE", "SKY_LINES", "STD_RESPONSE", "EXTINCT_TABLE")


def _table(name: str, *columns: tuple[str, str, str, object]) -> fits.BinTableHDU:
    made = [fits.Column(name=n, format=f, unit=u or None, array=np.asarray(v)) for n, f, u, v in columns]
    return fits.BinTableHDU.from_columns(made, name=name)


def _flat() -> list[fits.FitsHDU]:
    shape = (MUSE.waves, MUSE.columns)
    data = fits.ImageHDU(np.ones(shape, "f4"), name="DATA")
    data.header["BUNIT"] = "count"
    stat = fits.ImageHDU(np.full(shape, 1e-6, "f4"), name="STAT")
    stat.header["BUNIT"] = "count**2"
    return [data, fits.ImageHDU(np.zeros(shape, "i4"), name="DQ"), stat]


def _trace() -> list[fits.FitsHDU]:
    numbers = np.arange(1, MUSE.slices + 1)
    left = np.array([MUSE.left(int(n)) for n in numbers]) - 0.5
    edges = (left + MUSE.width / 2, left, left + MUSE.width)
    columns: list[tuple[str, str, str, object]] = [
        ("SliceNo", "J", "", numbers),
        ("Width", "E", "pix", np.full(MUSE.slices, MUSE.width)),
    ]
    for place, edge in enumerate(edges):
        columns += [
            (f"tc{place}_00", "D", "", edge),
            (f"tc{place}_01", "D", "", np.zeros(MUSE.slices)),
            (f"MSE{place}", "D", "", np.full(MUSE.slices, 1e-4)),
        ]
    return [_table("TRACE", *columns)]


def _wavecal() -> list[fits.FitsHDU]:
    one = np.ones(MUSE.slices)
    return [
        _table(
            "WAVECAL",
            ("SliceNo", "J", "", np.arange(1, MUSE.slices + 1)),
            ("wlc00", "D", "", one * MUSE.lambda0),
            ("wlc01", "D", "", one * MUSE.step),
            ("wlc10", "D", "", one * 0),
            ("wlc11", "D", "", one * 0),
            ("MSE", "D", "", one * 1e-4),
        )
    ]


def _geometry() -> list[fits.FitsHDU]:
    numbers = np.arange(1, MUSE.slices + 1)
    return [
        _table(
            "GEOMETRY",
            ("SubField", "J", "", np.ones(MUSE.slices)),
            ("SliceCCD", "J", "", numbers),
            ("SliceSky", "J", "", numbers),
            ("x", "D", "pix", np.zeros(MUSE.slices)),
            ("y", "D", "pix", numbers - (MUSE.slices + 1) / 2),
            ("angle", "D", "deg", np.zeros(MUSE.slices)),
            ("width", "D", "pix", np.full(MUSE.slices, MUSE.width)),
        )
    ]


def _lsf() -> list[fits.FitsHDU]:
    offsets = np.arange(-40, 41) * 0.2
    profile = np.exp(-0.5 * (offsets / MUSE.lsf_sigma) ** 2)
    profile /= profile.sum() * 0.2
    hdu = fits.ImageHDU(np.tile(profile, (MUSE.slices, 12, 1)).astype("f4"), name="LSF_PROFILE")
    for key, value in {
        "CRPIX1": 41.0,
        "CRVAL1": 0.0,
        "CD1_1": 0.2,
        "CTYPE1": "PARAM",
        "CUNIT1": "Angstrom",
        "CRPIX2": 1.0,
        "CRVAL2": 4500.0,
        "CD2_2": 450.0,
        "CTYPE2": "AWAV",
        "CUNIT2": "Angstrom",
        "CD1_2": 0.0,
        "CD2_1": 0.0,
    }.items():
        hdu.header[key] = value
    return [hdu]


def _lines() -> list[fits.FitsHDU]:
    waves, fluxes, names, groups = zip(*SKY_LINES, strict=True)
    return [
        _table(
            "LINES",
            ("name", "24A", "", names),
            ("group", "J", "", groups),
            ("lambda", "D", "Angstrom", waves),
            ("flux", "D", "10**(-20)*erg/(s cm^2 arcsec^2)", fluxes),
            ("dq", "J", "", np.zeros(len(waves))),
        )
    ]


def _response() -> list[fits.FitsHDU]:
    waves = np.arange(4600.0, 9500.0, 50.0)
    return [
        _table(
            "STD_RESPONSE",
            ("lambda", "D", "Angstrom", waves),
            ("response", "D", "2.5*log10((count/s/Angstrom)/(erg/s/cm**2/Angstrom))", waves * 0 + MUSE.response),
            ("resperr", "D", "2.5*log10((count/s/Angstrom)/(erg/s/cm**2/Angstrom))", waves * 0 + 1e-3),
        )
    ]


def _extinction() -> list[fits.FitsHDU]:
    waves = np.arange(4000.0, 10000.0, 100.0)
    return [
        _table(
            "EXTINCT_TABLE",
            ("lambda", "D", "Angstrom", waves),
            ("extinction", "D", "mag/airmass", waves * 0 + MUSE.extinction),
        )
    ]


FILES = (
    CalibFile("MASTER_FLAT", f"MU_MFLA_141020A_{MODE}_{READ_NAME}.fits", _flat),
    CalibFile("TRACE_TABLE", f"MU_PFTT_141020A_{MODE}_{READ_NAME}.fits", _trace),
    CalibFile("WAVECAL_TABLE", f"MU_PWCT_141020A_{MODE}_{READ_NAME}.fits", _wavecal),
    CalibFile("LSF_PROFILE", f"MU_PLSF_141020A_{MODE}_{READ_NAME}.fits", _lsf),
    CalibFile("STD_RESPONSE", f"MU_PRSP_141020A_{MODE}.fits", _response),
    CalibFile("GEOMETRY_TABLE", f"MU_GGEO_141001A_{MODE}.fits", _geometry),
    CalibFile("SKY_LINES", f"MU_GSKL_141001A_{MODE}.fits", _lines),
    CalibFile("EXTINCT_TABLE", f"MU_GEXT_141001A_{MODE}.fits", _extinction),
)
