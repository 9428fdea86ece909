"""A raw night of MUSE with all 24 channels: small CCDs with narrow slices, which the installed recipes take as real."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from engine.demo import calibrations, frames
from engine.demo.instrument import MiniMuse
from engine.demo.night import Exposure, targets

CHANNELS = 24
MINI = MiniMuse(width=12, pitch=16)
_BY_CHANNEL = ("TRACE_TABLE", "WAVECAL_TABLE", "LSF_PROFILE")


def muse_night(raw: Path, gen: Path, patch: pytest.MonkeyPatch) -> list[Path]:
    """Three biases and one object, and every master and static calibration but the bias, merged as by --merge."""
    patch.setattr(frames, "MUSE", MINI)
    patch.setattr(calibrations, "MUSE", MINI)
    for place in (raw, gen):
        place.mkdir(parents=True, exist_ok=True)
    begin, later = datetime(2014, 10, 22, 20), datetime(2014, 10, 23, 1)
    biases = [
        Exposure("BIAS", None, begin + timedelta(minutes=n), begin, "2014-10-22", 200177, n + 1) for n in range(3)
    ]
    exposures = [*biases, Exposure("OBJECT", targets(1, 1)[0], later, later, "2014-10-22", 1134385, 1)]
    for calib in calibrations.FILES:
        _calibration(calib, gen)
    _filters(gen)
    return [_raw(exposure, raw, len(biases) if exposure.type == "BIAS" else 1) for exposure in exposures]


def _raw(exposure: Exposure, place: Path, of: int) -> Path:
    random = np.random.default_rng(exposure.start.minute)
    primary = fits.PrimaryHDU(header=frames.primary_header(exposure))
    primary.header["HIERARCH ESO TPL NEXP"] = of
    file = fits.HDUList([primary])
    for channel in range(1, CHANNELS + 1):
        light = np.zeros((MINI.waves, MINI.columns))
        if exposure.type != "BIAS":
            light = random.poisson(frames.detector(frames.scene(exposure) * MINI.sensitivity())).astype(float)
        image = fits.ImageHDU(frames._read_out(light, random), name=f"CHAN{channel:02d}")
        image.header.update(_chip(channel))
        file.append(image)
    path = place / f"{exposure.root}.fits"
    file.writeto(path)
    return path


def _chip(channel: int) -> fits.Header:
    header = frames.chip_header()
    header["HIERARCH ESO DET CHIP ID"] = f"MINI-{channel}"
    return header


def _calibration(calib: calibrations.CalibFile, place: Path) -> None:
    file = fits.HDUList([_primary(calib.catg, calib.name)])
    file[0].header.update(calibrations._EXTRA.get(calib.catg, {}))
    if calib.catg == "GEOMETRY_TABLE":
        file.append(_geometry(calib.make()[0]))
    elif calib.catg in calibrations._WHOLE:
        file.extend(calib.make())
    else:
        for channel in range(1, CHANNELS + 1):
            for part in calib.make():
                name = f"CHAN{channel:02d}"
                part.name = name if calib.catg in _BY_CHANNEL else f"{name}.{part.name}"
                part.header.update(_chip(channel))
                part.header["HIERARCH ESO QC FLAT MASTER INTFLUX"] = 1e7
                file.append(part)
    file.writeto(place / calib.name)


def _geometry(one: fits.BinTableHDU) -> fits.BinTableHDU:
    """The slices of every IFU, one IFU beside the other."""
    columns = []
    for column in one.columns:
        values = np.tile(one.data[column.name], CHANNELS)
        if column.name == "SubField":
            values = np.repeat(np.arange(1, CHANNELS + 1), MINI.slices)
        elif column.name == "x":
            values = np.repeat((np.arange(CHANNELS) - CHANNELS / 2) * MINI.width, MINI.slices)
        columns.append(fits.Column(column.name, column.format, unit=column.unit, array=values))
    return fits.BinTableHDU.from_columns(columns, name="GEOMETRY")


def _filters(place: Path) -> None:
    waves = np.arange(4000.0, 10000.0, 50.0)
    file = fits.HDUList([_primary("FILTER_LIST", "filters.fits")])
    for name in ("Johnson_V", "Cousins_R", "Cousins_I"):
        table = fits.BinTableHDU.from_columns(
            [
                fits.Column("lambda", "D", unit="Angstrom", array=waves),
                fits.Column("throughput", "D", array=np.ones(len(waves))),
            ]
        )
        table.header["EXTNAME"] = name  # as it is written, not in capitals
        file.append(table)
    file.writeto(place / "filters.fits")


def _primary(catg: str, name: str) -> fits.PrimaryHDU:
    primary = fits.PrimaryHDU()
    cards = {"INSTRUME": "MUSE", "DATE-OBS": "2014-10-20T15:00:00", "MJD-OBS": 56950.625, "PIPEFILE": name}
    cards |= {f"HIERARCH {key}": value for key, value in frames.read_header().items()}
    for key, value in {**cards, "HIERARCH ESO PRO CATG": catg, "HIERARCH ESO PRO TYPE": "REDUCED"}.items():
        primary.header[key] = value
    return primary
