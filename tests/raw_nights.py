"""Raw nights of several instruments: small frames that the installed recipes and rule files take as real ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy
from astropy.io import fits

Card = str | int | float | bool


def stamp(minute: int, day: str = "2014-10-22") -> str:
    """A time of that evening, 20:00 UT and later."""
    return f"{day}T{20 + minute // 60:02d}:{minute % 60:02d}:00.000"


def _primary(instrument: str, minute: int, day: str, cards: Mapping[str, Card], data: object = None) -> fits.PrimaryHDU:
    when = stamp(minute, day)
    primary = fits.PrimaryHDU(data)
    head = primary.header
    head["ORIGIN"], head["INSTRUME"], head["DATE-OBS"] = "ESO", instrument, when
    head["MJD-OBS"] = 56952.0 + (20 * 60 + minute) / 1440
    head["ARCFILE"] = f"{instrument}.{when}.fits"
    for key, value in cards.items():
        head[key if key in ("EXPTIME", "OBJECT") else f"HIERARCH ESO {key}"] = value
    return primary


def template(minute: int, number: int, of: int, name: str, day: str = "2014-10-22") -> dict[str, Card]:
    """TPL keywords of exposure `number` of `of`, of a template that began at `minute`."""
    return {
        "TPL ID": name,
        "TPL START": stamp(minute, day)[:-4],
        "TPL EXPNO": number,
        "TPL NEXP": of,
        "OBS ID": 200177,
        "OBS PROG ID": "60.A-9100(B)",
        "OBS START": stamp(minute, day)[:-4],
        "OBS NAME": name,
    }


def hawki(
    place: Path, minute: int, kind: str, cards: Mapping[str, Card], level: float, day: str = "2014-10-22"
) -> Path:
    """A frame of HAWK-I with four chips of 64 x 64: `kind` is DPR.TYPE."""
    random = numpy.random.default_rng(minute)
    known: dict[str, Card] = {
        "EXPTIME": 10.0,
        "DET DIT": 10.0,
        "DET NDIT": 1,
        "DET NCORRS NAME": "NonDest",
        "DET WIN STARTX": 1.0,
        "DET WIN STARTY": 1.0,
        "INS FILT1 NAME": "OPEN",
        "INS FILT2 NAME": "Ks",
        "DPR CATG": "CALIB",
        "DPR TECH": "IMAGE",
        "DPR TYPE": kind,
        **cards,
    }
    chips = []
    for chip in range(1, 5):
        data = random.normal(level, max(1.0, level**0.5), (64, 64)).astype("f4")
        image = fits.ImageHDU(data, name=f"CHIP{chip}.INT1")
        image.header["HIERARCH ESO DET CHIP LIVE"] = True
        image.header["HIERARCH ESO DET CHIP NO"] = chip
        image.header["HIERARCH ESO DET CHIP GAIN"] = 2.0
        chips.append(image)
    path = place / f"HAWKI.{stamp(minute, day)}.fits"
    fits.HDUList([_primary("HAWKI", minute, day, known), *chips]).writeto(path)
    return path


def hawki_night(place: Path, day: str = "2014-10-22") -> list[Path]:
    """A template of three darks of 10 s, and one of three of 20 s."""
    place.mkdir(parents=True, exist_ok=True)
    found = []
    for first, dit in ((0, 10.0), (60, 20.0)):
        for n in (1, 2, 3):
            cards: dict[str, Card] = {
                **template(first, n, 3, "HAWKI_img_cal_Darks", day),
                "EXPTIME": dit,
                "DET DIT": dit,
            }
            found.append(hawki(place, first + n, "DARK", cards, 10 * dit, day))
    return found


def uves(place: Path, minute: int, kind: str, number: int, of: int, day: str = "2014-10-22") -> Path:
    """A blue bias or dark of UVES, 256 x 256, signed 16 bits in the primary HDU; `kind` is DPR.TYPE."""
    random = numpy.random.default_rng(minute)
    cards: dict[str, Card] = {
        "EXPTIME": 0.0 if kind == "BIAS" else 600.0,
        "DPR CATG": "CALIB",
        "DPR TECH": "IMAGE",
        "DPR TYPE": kind,
        "INS PATH": "BLUE",
        "INS MODE": "BLUE",
        "DET CHIPS": 1,
        "DET OUTPUTS": 1,
        "DET OUT1 PRSCX": 10,
        "DET OUT1 OVSCX": 10,
        "DET OUT1 CONAD": 1.7,
        "DET OUT1 RON": 4.0,
        "DET CHIP1 ID": "EEV2",
        "DET CHIP1 NAME": "x",
        "DET WIN1 BINX": 1,
        "DET WIN1 BINY": 1,
        "DET WIN1 NX": 256,
        "DET WIN1 NY": 256,
        "DET WIN1 STRX": 1,
        "DET WIN1 STRY": 1,
        "DET READ SPEED": "225kHz",
        **template(minute - number, number, of, f"UVES_blue_cal_{kind.lower()}", day),
    }
    primary = _primary(
        "UVES", minute, day, cards, random.normal(150 if kind == "BIAS" else 160, 3, (256, 256)).astype("i2")
    )
    for axis in (1, 2):
        for key, value in {"CTYPE": "PIXEL", "CRVAL": 1.0, "CRPIX": 1.0, "CDELT": 1.0}.items():
            primary.header[f"{key}{axis}"] = value
    path = place / f"UVES.{stamp(minute, day)}.fits"
    primary.writeto(path)
    return path


def uves_night(place: Path, day: str = "2014-10-22") -> list[Path]:
    """A template of three blue darks, taken before the template of five biases that their recipe needs."""
    place.mkdir(parents=True, exist_ok=True)
    darks = [uves(place, n, "DARK", n, 3, day) for n in range(1, 4)]
    return [*darks, *(uves(place, 60 + n, "BIAS", n, 5, day) for n in range(1, 6))]


def naco(
    place: Path,
    minute: int,
    kind: tuple[str, str, str],
    cards: Mapping[str, Card],
    level: float,
    day: str = "2014-10-22",
) -> Path:
    """A frame of NACO, 1024 x 1024: `kind` is DPR.CATG, DPR.TYPE and DPR.TECH."""
    random = numpy.random.default_rng(minute)
    known: dict[str, Card] = {
        "EXPTIME": 1.0,
        "DET DIT": 1.0,
        "DET NDIT": 1,
        "DPR CATG": kind[0],
        "DPR TYPE": kind[1],
        "DPR TECH": kind[2],
        "DET NCORRS NAME": "Double_RdRstRd",
        "DET NCORRS": 2,
        "DET RSPEED": 1,
        "DET MODE NAME": "HighDynamic",
        "DET WIN NX": 1024,
        "DET WIN NY": 1024,
        "INS OPTI6 NAME": "Ks",
        "INS OPTI6 ID": "Ks",
        "INS OPTI7 NAME": "S27",
        "INS OPTI7 ID": "S27",
        "INS LAMP2 CURRENT": 0.0,
        "INS LAMP2 ST": False,
        "INS PIXSCALE": 0.027,
        "INS FILTER NAME": "Ks",
        "SEQ CUMOFFSETX": 0.0,
        "SEQ CUMOFFSETY": 0.0,
        **cards,
    }
    for number in (3, 4, 5, 6):
        known.setdefault(f"INS OPTI{number} NAME", "empty")
        known.setdefault(f"INS OPTI{number} ID", "empty")
    path = place / f"NACO.{stamp(minute, day)}.fits"
    _primary("NACO", minute, day, known, random.normal(level, 3, (1024, 1024)).astype("f4")).writeto(path)
    return path


def naco_night(place: Path, day: str = "2014-10-22") -> None:
    """A template of darks of two exposure times, one of sky flats, and a jittered object."""
    place.mkdir(parents=True, exist_ok=True)
    dark, flat = ("CALIB", "DARK", "IMAGE"), ("CALIB", "FLAT,SKY", "IMAGE")
    for n in range(1, 7):
        time = 1.0 if n < 4 else 5.0
        cards = {**template(0, n, 6, "NACO_img_cal_Darks", day), "EXPTIME": time, "DET DIT": time}
        naco(place, n, dark, cards, 100 + 10 * time, day)
    for n in range(1, 5):
        naco(place, 60 + n, flat, template(60, n, 4, "NACO_img_cal_SkyFlats", day), 100 + 2000 * n, day)
    for n in range(1, 4):
        cards = {**template(120, n, 3, "NACO_img_obs_AutoJitter", day), "SEQ CUMOFFSETX": 5.0 * n}
        naco(place, 120 + n, ("SCIENCE", "OBJECT", "IMAGE,JITTER"), cards, 200, day)


def names(paths: Iterable[Path]) -> list[str]:
    """File names in order."""
    return [path.name for path in paths]
