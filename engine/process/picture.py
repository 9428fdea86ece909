"""The QC plot of a reduced exposure or a deep cube: its white-light image (PNG)."""

from __future__ import annotations

from pathlib import Path

_LOW, _HIGH = 1.0, 99.5  # percentiles of the grey scale


def plot(image: Path, target: Path, title: str) -> None:
    """Draw the first image of a FITS file to `target`; scale in percentiles, colour bar in the file's unit.

    Raises whatever astropy or matplotlib find wrong.
    """
    import numpy
    from astropy.io import fits
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with fits.open(image) as hdus:
        hdu = next(hdu for hdu in hdus if hdu.is_image and hdu.data is not None)
        data, unit = numpy.asarray(hdu.data, dtype=float), str(hdu.header.get("BUNIT", ""))
    while data.ndim > 2:
        data = numpy.nanmean(data, axis=0)
    finite = data[numpy.isfinite(data)]
    low, high = numpy.percentile(finite, [_LOW, _HIGH]) if finite.size else (0.0, 1.0)
    figure = Figure(figsize=(6.4, 5.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shown = axes.imshow(data, origin="lower", cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    figure.colorbar(shown, ax=axes, label=unit)
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("x [pixel]")
    axes.set_ylabel("y [pixel]")
    figure.savefig(target, format="png", dpi=100)
