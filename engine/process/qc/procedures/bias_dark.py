"""MASTER_BIAS and MASTER_DARK of any instrument: level, noise, read-out noise, structure, hot pixels, by detector."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import fmean

from engine.headers.cards import keywords
from engine.process.qc.measure.frames import detectors, frame, read_out_noise
from engine.process.qc.procedures.generic import LEVELS, completeness, tried
from engine.process.qc.subject import Measured, Subject, Value

_SETUP = ("DET.READ.CURNAME", "DET.READ.MODE", "DET.READ.CLOCK", "DET.NCORRS.NAME", "DET.BINX", "DET.WIN1.BINX")
_TIME = ("DET.DIT", "DET.WIN1.DIT1", "EXPTIME")
_WORST = ("noise", "structure", "columns")  # of all detectors the worst one counts


def measure(subject: Subject, found: Measured) -> None:
    """One row per detector, and over all of them: mean level, worst noise and structure, hot pixels in all."""
    completeness(subject, found)
    tried(found, masters, subject, "level_doubt", "level", "noise", "hot")
    tried(found, raws, subject, "ron")
    summed(found)


def masters(subject: Subject, found: Measured) -> None:
    """Every detector of every master frame of the AB."""
    paths = subject.of("MASTER_BIAS") + subject.of("MASTER_DARK")
    for path in paths:
        for name, data in detectors(path):
            found.detectors.append(frame(name, data))
    if not found.detectors:
        raise ValueError("there is no image in the master frames")
    header = keywords(Path(paths[0]), [*_SETUP, *_TIME])
    found.values["setup"] = "_".join(str(header[key]).replace(" ", "-") for key in _SETUP if key in header) or "-"
    found.values["exptime"] = next((float(t) for key in _TIME if isinstance(t := header.get(key), int | float)), 0.0)


def raws(subject: Subject, found: Measured) -> None:
    """Read-out noise from the difference of the first two raw frames."""
    frames = [path for path, tag in subject.inputs if not tag.startswith("MASTER") and Path(path).is_file()]
    if len(frames) < 2:
        found.values["ron"] = None
        found.troubles.append("read-out noise: two raw frames are needed")
        return
    noise = read_out_noise(frames[0], frames[1])
    found.values["ron"] = max(noise.values(), default=None)
    for row in found.detectors:
        row["ron"] = noise.get(str(row["detector"]))


def summed(found: Measured) -> None:
    """The values over all detectors."""
    rows, values = found.detectors, found.values
    if not rows:
        return
    levels = _numbers(row["level"] for row in rows)
    valid = min(_numbers(row["valid"] for row in rows), default=0.0)
    values["detectors"] = len(rows)
    values["level"] = fmean(levels) if levels else None
    values["valid"] = valid
    values["hot"] = int(sum(_numbers(row["hot"] for row in rows)))
    for name in _WORST:
        values[name] = max(_numbers(row.get(name) for row in rows), default=None)
    good = len(levels) == len(rows) and valid > 0.99 and all(LEVELS[0] < one < LEVELS[1] for one in levels)
    values["level_doubt"] = 0 if good else 1
    values["level_text"] = f"{fmean(levels):.1f}, {valid:.1%} valid" if levels else f"{valid:.1%} valid"


def _numbers(values: Iterable[Value]) -> list[float]:
    return [float(value) for value in values if isinstance(value, int | float)]
