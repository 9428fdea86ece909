"""Raw frames as headers alone: a night in a few lines, for createAB."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

Value = str | int | float | bool
_EPOCH = datetime(1858, 11, 17)  # MJD 0, UTC


def stamp(mjd: float) -> str:
    """The time stamp in a file name."""
    return (_EPOCH + timedelta(days=mjd)).isoformat(timespec="milliseconds")


def card(key: str, value: Value) -> str:
    """One card as text."""
    name = f"HIERARCH ESO {key.replace('.', ' ')} =" if "." in key else f"{key:<8}="
    if isinstance(value, str):
        return name + " '" + value.replace("'", "''") + "'"
    text = ("T" if value else "F") if isinstance(value, bool) else repr(value)
    return f"{name} {text}"


def header_text(keys: Mapping[str, Value], extra: Iterable[str] = ()) -> str:
    """The text of a `.hdr` file with these keys."""
    lines = ["SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    0"]
    lines += [*(card(key, value) for key, value in keys.items()), *extra, "END"]
    return "".join(f"{line:<80}\n" for line in lines)


def fits_bytes(keys: Mapping[str, Value]) -> bytes:
    """A FITS file of one empty HDU with these keys."""
    data = header_text(keys).replace("\n", "").encode()
    return data + b" " * (-len(data) % 2880)


class NightOf:
    """Writes raw headers of one DATE into a directory, named by instrument and time."""

    def __init__(self, folder: Path, instrument: str, **common: Any) -> None:
        self.folder, self.instrument = folder, instrument
        self.common = {"INSTRUME": instrument, **{key.replace("_", "."): value for key, value in common.items()}}
        folder.mkdir(parents=True, exist_ok=True)

    def raw(self, mjd: float, keys: Mapping[str, Value] | None = None, **more: Value) -> str:
        """One frame; returns its name without suffix. Keyword arguments: `DPR_CATG` is DPR.CATG."""
        name = f"{self.instrument}.{stamp(mjd)}"
        found = {"MJD-OBS": mjd, "EXPTIME": 10.0, "ARCFILE": f"{name}.fits", **self.common, **(keys or {})}
        found |= {key.replace("_", "."): value for key, value in more.items()}
        (self.folder / f"{name}.hdr").write_text(header_text(found))
        return name

    def template(self, mjd: float, count: int, keys: Mapping[str, Value] | None = None, **more: Value) -> list[str]:
        """The frames of a template, a minute apart."""
        return [
            self.raw(
                mjd + number / 1440,
                {"TPL.START": stamp(mjd)[:19], "TPL.EXPNO": number + 1, "TPL.NEXP": count, **(keys or {})},
                **more,
            )
            for number in range(count)
        ]


def product(path: Path, keys: Mapping[str, Value]) -> Path:
    """A real calibration as the `.hdr` of a slimmed product."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(header_text({"PIPEFILE": f"{path.stem}.fits", **keys}))
    return path
