"""Stand-in muse_bias and muse_scibasic: from raw CCD images to a master bias, and to pixel tables."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy.io import fits

from engine.demo.standin_errors import RecipeFailed
from engine.demo.standin_frames import Call, Frame, Product, image, save
from engine.demo.standin_pixtable import PixTable, to_hdus

Array = np.ndarray[Any, Any]
_PORTS = (1, 2, 3, 4)


def muse_bias(call: Call) -> list[Product]:
    """MASTER_BIAS: overscan-corrected mean of at least three BIAS frames, outliers clipped."""
    frames = call.tagged("BIAS")
    if not frames:
        raise RecipeFailed("No valid raw tag(s) found!")
    if len(frames) < 3:
        raise RecipeFailed(f"Required 3, found {len(frames)} input frames")
    loaded = [_raw(call, frame) for frame in frames]
    stack = np.stack([trimmed for trimmed, _, _ in loaded])
    middle = np.median(stack, axis=0)
    spread = float(np.median(np.abs(stack - middle))) * 1.4826
    kept = np.abs(stack - middle) <= max(3 * spread, 1e-6)
    master = np.where(kept, stack, 0).sum(axis=0) / np.maximum(kept.sum(axis=0), 1)
    call.log.info(f"Combined {len(frames)} frames, {int((~kept).sum())} values rejected, RON = {spread:.3f} adu")
    hdus = [
        image(master.astype("f4"), "DATA", "adu"),
        image(np.zeros(master.shape, "i4"), "DQ"),
        image(np.full(master.shape, spread**2 / len(frames), "f4"), "STAT", "adu**2"),
    ]
    header = _flattened(loaded[0])
    product = Product(
        "MASTER_BIAS", "MASTER_BIAS-01.fits", hdus, {"EXTNAME": "CHAN01", "ESO QC BIAS MASTER1 RON": spread}
    )
    save(call, product, frames, header)
    return [product]


def muse_scibasic(call: Call) -> list[Product]:
    """PIXTABLE_<tag> per exposure: bias, gain, flat field, then every pixel with its place and wavelength."""
    frames = call.tagged("OBJECT", "SKY")
    if not frames:
        raise RecipeFailed("No valid raw tag(s) found!")
    calibs = {}
    for tag in ("MASTER_BIAS", "MASTER_FLAT"):
        with call.open(call.calib(tag)) as file:
            calibs[tag] = np.array(file["DATA"].data, dtype=float)
    tables = [call.table(tag) for tag in ("TRACE_TABLE", "WAVECAL_TABLE", "GEOMETRY_TABLE")]
    products = []
    for number, frame in enumerate(frames, 1):
        loaded = trimmed, gain, _ = _raw(call, frame)
        for tag, data in calibs.items():
            if data.shape != trimmed.shape:
                raise RecipeFailed(f"{tag} is {data.shape[::-1]}, the raw image {trimmed.shape[::-1]} pixels")
        counts = (trimmed - calibs["MASTER_BIAS"]) * gain / calibs["MASTER_FLAT"]
        pixels = _extracted(counts, *tables)
        call.log.info(f"Creating pixel table for IFU 1: {pixels.rows} pixels in {len(tables[0])} slices")
        catg, stem = f"PIXTABLE_{frame.tag}", f"PIXTABLE_{frame.tag}_{number:04d}-01.fits"
        header = _flattened(loaded)
        products.append(Product(catg, stem, to_hdus(pixels, "pix", "count"), {"EXTNAME": "CHAN01", **pixels.limits()}))
        save(call, products[-1], [frame], header)
        if call.params["saveimage"]:
            hdus = [image(counts.astype("f4"), "DATA", "count")]
            products.append(
                Product(f"{frame.tag}_RED", f"{frame.tag}_RED_{number:04d}-01.fits", hdus, {"EXTNAME": "CHAN01"})
            )
            save(call, products[-1], [frame], header)
    return products


def _flattened(loaded: tuple[Array, float, tuple[fits.Header, fits.Header]]) -> fits.Header:
    """Primary and detector keywords of a raw frame in one header, as products carry them."""
    primary, extension = loaded[2]
    header = primary.copy()
    header.extend((card for card in extension.cards if card.keyword.startswith("ESO DET")), update=True)
    return header


def _raw(call: Call, frame: Frame) -> tuple[Array, float, tuple[fits.Header, fits.Header]]:
    """A raw image without scans and their level (ADU), its gain, and its headers."""
    with call.open(frame) as file:
        if "CHAN01" not in file:
            raise RecipeFailed(f"No raw images loaded for IFU 1: {frame.path.name} has no extension CHAN01")
        raw, header, primary = np.array(file["CHAN01"].data, dtype=float), file["CHAN01"].header, file[0].header
    try:
        parts = {
            (header[f"ESO DET OUT{n} X"] > 1, header[f"ESO DET OUT{n} Y"] > 1): _quadrant(raw, header, n)
            for n in _PORTS
        }
        gain = float(header["ESO DET OUT1 GAIN"])
        rows = [np.hstack([parts[False, upper], parts[True, upper]]) for upper in (False, True)]
        return np.vstack(rows), gain, (primary, header)
    except (KeyError, ValueError) as trouble:
        raise RecipeFailed(f"{frame.path.name}: detector keywords do not describe the image: {trouble}") from None


def _quadrant(raw: Array, header: fits.Header, port: int) -> Array:
    """The data of one port, its overscan level subtracted."""

    def key(name: str) -> int:
        return int(header[f"ESO DET OUT{port} {name}"])

    right, upper = key("X") > 1, key("Y") > 1
    part = raw[raw.shape[0] // 2 :] if upper else raw[: raw.shape[0] // 2]
    part = part[:, raw.shape[1] // 2 :] if right else part[:, : raw.shape[1] // 2]
    part = part[::-1] if upper else part
    part = part[:, ::-1] if right else part
    nx, ny, px, py = key("NX"), key("NY"), key("PRSCX"), key("PRSCY")
    level = float(np.mean(part[py : py + ny, px + nx :])) if part.shape[1] > px + nx else 0.0
    data = part[py : py + ny, px : px + nx] - level
    if data.shape != (ny, nx):
        raise ValueError(f"port {port} should have {nx} x {ny} pixels")
    data = data[:, ::-1] if right else data
    return data[::-1] if upper else data


def _extracted(counts: Array, trace: Any, wavecal: Any, geometry: Any) -> PixTable:
    """Every illuminated pixel with its place in the field (spaxels) and wavelength (Angstrom)."""
    parts: list[tuple[Array, ...]] = []
    places = {int(row["SliceCCD"]): row for row in geometry}
    rows = np.arange(1, counts.shape[0] + 1, dtype=float)
    for line, wave in zip(trace, wavecal, strict=True):
        number = int(line["SliceNo"])
        left, right = float(line["tc1_00"]), float(line["tc2_00"])
        columns = np.arange(int(np.ceil(left)), int(np.floor(right)) + 1)
        place = places[number]
        x = columns - (left + right) / 2
        across = float(place["x"]) - x / (right - left) * float(place["width"])
        angle = np.radians(float(place["angle"]))
        waves = (
            wave["wlc00"] + wave["wlc01"] * rows[:, None] + (wave["wlc10"] + wave["wlc11"] * rows[:, None]) * columns
        )
        data = counts[:, columns - 1]
        flat = [across * np.cos(angle) + 0 * data, float(place["y"]) + across * np.sin(angle) + 0 * data, waves, data]
        origin = (columns - columns[0] + 1) << 24 | (rows[:, None].astype(int) << 11) | (1 << 6) | number
        parts.append((*(part.ravel() for part in flat), origin.ravel()))
    xpos, ypos, waves, data, origin = (np.concatenate(column) for column in zip(*parts, strict=True))
    return PixTable(xpos, ypos, waves, data, np.maximum(data, 0) + 8.0, origin)
