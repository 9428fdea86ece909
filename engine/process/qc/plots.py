"""The plots of processQC (PNG, matplotlib without a display). Needs matplotlib: QC process only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from engine.process.qc.measure.image import chunks, first_image, flat, noise_peak

_LOW, _HIGH = 1.0, 99.5  # percentiles of the grey scale


def plot(image: str, target: str, title: str, cube: str = "") -> list[str]:
    """Draw an image (`target`.png); with `cube` its histogram and the cube's spectrum too. The files made."""
    made = [_image(image, f"{target}.png", title), _histogram(image, f"{target}.hist.png", title)]
    if cube:
        made.append(_spectrum(cube, f"{target}.spec.png", title))
    return [path for path in made if path]


def history(
    target: str, name: str, points: list[list[float]], now: list[float], limits: list[float | None]
) -> list[str]:
    """The history of a parameter (MJD, value) with its limits and this AB's value, as a small plot."""
    figure, axes = _figure(4.8, 2.4)
    if points:
        axes.plot(*zip(*points, strict=True), ".", color="#4477aa", markersize=4)
    axes.plot(now[0], now[1], "o", color="black", markersize=5, markerfacecolor="none")
    for limit in limits:
        if limit is not None:
            axes.axhline(limit, color="#cc3311", linewidth=1, linestyle="--")
    axes.set_title(name, fontsize=9)
    axes.set_xlabel("MJD", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.ticklabel_format(useOffset=False)
    return [_saved(figure, target)]


def trend(target: str, title: str, series: dict[str, list[list[float]]], start: list[float]) -> list[str]:
    """ABMAGlim over exposure time: points by name of the series, and what sqrt(N) promises from `start` on."""
    figure, axes = _figure(6.4, 4.2)
    for name, points in series.items():
        if points:
            axes.plot(*zip(*points, strict=True), "." if len(points) > 20 else "o", label=name, markersize=5)
    longest = max((point[0] for points in series.values() for point in points), default=0.0)
    if start and start[0] > 0 and longest > 0:
        times = np.geomspace(start[0], max(longest, 2 * start[0]), 50)
        axes.plot(times, expected(start, times), "--", color="grey", linewidth=1, label="sqrt(N)")
        axes.set_xscale("log")
    axes.legend(fontsize=8)
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("exposure time [s]")
    axes.set_ylabel("ABMAGlim [mag]")
    return [_saved(figure, target)]


def expected(start: list[float], times: Any) -> Any:
    """ABMAGlim after exposure times when the noise falls with their root: 1.25 log10 of the ratio deeper."""
    return start[1] + 1.25 * np.log10(np.asarray(times) / start[0])


def _image(path: str, target: str, title: str) -> str:
    with first_image(path) as (pixels, header):
        data, unit = flat(pixels), str(header.get("BUNIT", ""))
    finite = data[np.isfinite(data)]
    low, high = np.percentile(finite, [_LOW, _HIGH]) if finite.size else (0.0, 1.0)
    figure, axes = _figure(6.4, 5.6)
    shown = axes.imshow(data, origin="lower", cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    figure.colorbar(shown, ax=axes, label=unit)
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("x [pixel]")
    axes.set_ylabel("y [pixel]")
    return _saved(figure, target)


def _histogram(path: str, target: str, title: str) -> str:
    """Pixels around the noise peak, with its place and width."""
    with first_image(path) as (pixels, header):
        data, unit = flat(pixels), str(header.get("BUNIT", ""))
    peak = noise_peak(data)
    if peak is None:
        return ""
    width = peak.width or 1.0
    near = data[np.isfinite(data) & (np.abs(data - peak.place) < 10 * width)]
    figure, axes = _figure(6.4, 3.6)
    axes.hist(near, bins=100, color="#4477aa")
    axes.axvline(peak.place, color="black", linewidth=1, label=f"peak {peak.place:.4g}, width {peak.width:.4g}")
    axes.axvspan(peak.place - width, peak.place + width, color="black", alpha=0.1)
    axes.legend(fontsize=8)
    axes.set_title(title, fontsize=9)
    axes.set_xlabel(unit or "pixel value")
    axes.set_ylabel("pixels")
    return _saved(figure, target)


def _spectrum(path: str, target: str, title: str) -> str:
    """The mean of each plane of a cube over its wavelength."""
    with first_image(path) as (cube, header):
        if cube.ndim != 3:
            return ""
        means = [
            float(np.nanmean(plane)) if np.isfinite(plane).any() else np.nan for part in chunks(cube) for plane in part
        ]
        step = float(header.get("CD3_3", header.get("CDELT3", 1.0)) or 1.0)
        waves = float(header.get("CRVAL3", 0.0)) + (np.arange(len(means)) + 1 - float(header.get("CRPIX3", 1.0))) * step
        unit = str(header.get("BUNIT", ""))
    figure, axes = _figure(6.4, 3.6)
    axes.plot(waves, means, linewidth=0.8, color="#4477aa")
    axes.set_title(title, fontsize=9)
    axes.set_xlabel(f"wavelength [{header.get('CUNIT3', '') or 'plane'}]")
    axes.set_ylabel(unit)
    return _saved(figure, target)


def _figure(width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _saved(figure: Figure, target: str) -> str:
    """Saved under a hidden name first, so that nobody ever sees half a plot."""
    path = Path(target)
    hidden = path.with_name(f".{path.name}.new")
    figure.savefig(hidden, format="png", dpi=100)
    hidden.replace(path)
    return target
