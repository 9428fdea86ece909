"""Nights of MUSE headers classified, organised and associated with the rules that its pipeline installs."""

from __future__ import annotations

import gc
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from astropy.io import fits

from engine.create.oca.associate import Pools
from engine.create.oca.frame import Frame
from engine.create.oca.load import load
from engine.create.oca.ruleset import RuleSet

INSTALLED = Path("/usr/share/cpl-plugins")
HEADERS = 10_000
FEW = 1_000
CALIBRATIONS = 2_000
A_NIGHT = 100  # raw files
ROUNDS = 3
READ = 100  # headers that astropy reads
CARDS = 315  # of a raw MUSE file
MODES = ("WFM-NOAO-N", "WFM-NOAO-E", "WFM-AO-N", "NFM-AO-N")
# of one night: DPR.CATG, DPR.TYPE, TPL.ID, files of a template, templates
SEQUENCES = (
    ("CALIB", "BIAS", "MUSE_cal_bias", 11, 1),
    ("CALIB", "FLAT,LAMP", "MUSE_wfm_cal_specflat", 11, 1),
    ("CALIB", "WAVE", "MUSE_wfm_cal_wave", 15, 1),
    ("CALIB", "FLAT,SKY", "MUSE_wfm_cal_skyflats", 8, 1),
    ("CALIB", "FLAT,LAMP,ILLUM", "MUSE_wfm_cal_illum", 1, 5),
    ("CALIB", "STD", "MUSE_wfm_cal_specphot", 1, 2),
    ("SCIENCE", "OBJECT", "MUSE_wfm_obs_genericoffset", 8, 6),
)
PRODUCTS = (
    *("MASTER_BIAS", "MASTER_FLAT", "TRACE_TABLE", "WAVECAL_TABLE", "TWILIGHT_CUBE", "ILLUM", "STD_RESPONSE"),
    *("GEOMETRY_TABLE", "BADPIX_TABLE", "LINE_CATALOG", "EXTINCT_TABLE", "LSF_PROFILE", "ASTROMETRY_WCS"),
)
FIRST = 56900.0  # MJD-OBS of the first night


def rules_file(name: str) -> Path:
    """The rules of an installed pipeline."""
    return max(INSTALLED.glob(f"{name}-*/gasgano/config/{name}.oca"))


def night(number: int) -> Iterator[dict[str, object]]:
    """The headers of one night, in one instrument mode."""
    mode, at = MODES[number % len(MODES)], FIRST + number
    for category, kind, template, exposures, times in SEQUENCES:
        for _ in range(times):
            start = f"{at:.5f}"
            for exposure in range(1, exposures + 1):
                at += 0.003
                yield {
                    **{"MJD-OBS": at, "EXPTIME": 30.0, "INSTRUME": "MUSE", "INS.MODE": mode},
                    **{"DPR.CATG": category, "DPR.TYPE": kind, "DPR.TECH": "IFU", "TPL.ID": template},
                    **{"TPL.START": start, "TPL.EXPNO": exposure, "TPL.NEXP": exposures, "OBS.ID": number},
                    **{"INS.OPTI1.NAME": "Blue" if mode.endswith("E") else "Clear", "INS.OPTI2.NAME": mode[:3]},
                    **{"DET.READ.CURID": 1, "DET.CHIPS": 24, "ARCFILE": f"MUSE.{at:.6f}.fits"},
                }


def raw_headers(count: int) -> list[dict[str, object]]:
    """So many headers of raw files, night after night."""
    return [header for number in range(-(-count // A_NIGHT)) for header in night(number)][:count]


def calibrations(count: int, nights: int) -> list[dict[str, object]]:
    """So many headers of calibrations, spread over the nights."""
    found: list[dict[str, object]] = []
    for number in range(count):
        mode = MODES[number // len(PRODUCTS) % len(MODES)]
        found.append(
            {
                **{"PRO.CATG": PRODUCTS[number % len(PRODUCTS)], "INSTRUME": "MUSE", "INS.MODE": mode},
                **{"MJD-OBS": FIRST + number * nights / count, "DET.READ.CURID": 1, "DET.CHIPS": 24},
                **{"INS.OPTI1.NAME": "Blue" if mode.endswith("E") else "Clear", "INS.OPTI2.NAME": mode[:3]},
            }
        )
    return found


def created(rules: RuleSet, raws: list[dict[str, object]], calibs: list[dict[str, object]]) -> int:
    """Everything that the rules do for these headers; how many files were associated."""
    frames = [Frame(f"raw/{header['ARCFILE']}", header) for header in raws]
    known = [Frame(f"cal/{number:05}.fits", header) for number, header in enumerate(calibs)]
    for frame in (*frames, *known):
        rules.classify(frame)
    pools = Pools(known, frames)
    return sum(len(rules.associate(group, pools).hits) for group in rules.organise(frames).groups)


def cpu(work: Callable[[], object]) -> float:
    """Processor seconds of the work."""
    gc.collect()
    begin = time.process_time()
    work()
    return time.process_time() - begin


def astropy_reading() -> float:
    """Processor milliseconds in which astropy reads the header of one raw file from its text."""
    header = fits.Header()
    for key, value in raw_headers(1)[0].items():
        header[f"HIERARCH ESO {key.replace('.', ' ')}" if "." in key else key] = value
    for number in range(CARDS - len(header)):
        header[f"HIERARCH ESO INS TEMP{number} VAL"] = (number * 0.37, "[C] Temperature sensor")
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "raw.hdr"
        header.totextfile(path)

        def work() -> None:
            for _ in range(READ):
                read = fits.Header.fromtextfile(path)
                _ = read["HIERARCH ESO DPR CATG"], read["MJD-OBS"]

        return cpu(work) / READ * 1e3


def row(work: str, ours: dict[str, float], peer: dict[str, float] | None, goal: str) -> None:
    """Print one row; the ratio is that of the two numbers."""
    ratio = round(next(iter(ours.values())) / next(iter(peer.values())), 3) if peer else None
    print(json.dumps({"work": work, "ours": ours, "peer": peer, "ratio": ratio, "goal": goal}))


def main() -> None:
    """Print one JSON object a line."""
    uves = cpu(lambda: RuleSet(load(rules_file("uves"))))  # the first of all: nothing is warm yet
    muse = RuleSet(load(rules_file("muse")))
    many, few = raw_headers(HEADERS), raw_headers(FEW)
    # the few get their share of the calibrations, so that the two differ in nothing but their number
    calibs, share = (calibrations(CALIBRATIONS * count // HEADERS, count // A_NIGHT) for count in (HEADERS, FEW))
    times, small, peers = list[float](), list[float](), list[float]()
    for _ in range(ROUNDS):
        times.append(cpu(lambda: created(muse, many, calibs)) / HEADERS * 1e3)
        small.append(cpu(lambda: created(muse, few, share)) / FEW * 1e3)
        peers.append(astropy_reading())
    ours, one, peer = (round(statistics.median(some), 3) for some in (times, small, peers))
    unit = "ms_cpu_per_header"
    row(
        f"MUSE rules: classify, organise, associate {HEADERS:,} headers, {CALIBRATIONS:,} calibrations",
        {unit: ours},
        {f"{unit},_astropy_reading_it": peer},
        "0.5 ms",
    )
    row(f"linear: {HEADERS:,} headers against {FEW:,}", {unit: ours}, {unit: one}, "1.2")
    row("read and make ready the largest rule file of Debian (uves)", {"s_cpu": round(uves, 3)}, None, "0.5 s")


if __name__ == "__main__":
    main()
