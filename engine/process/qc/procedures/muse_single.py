"""A reduced MUSE exposure (pst AB): cube, field, noise peak, limiting magnitude, sources."""

from __future__ import annotations

from pathlib import Path

from engine.headers.cards import keywords
from engine.process.qc.measure.image import (
    finite_fraction,
    first_image,
    flat,
    limiting_magnitude,
    noise_peak,
    pixel_scale,
    unit_factor,
    wavelength,
)
from engine.process.qc.measure.stars import Source, seeing, sources
from engine.process.qc.procedures.generic import completeness, field, tried
from engine.process.qc.subject import Measured, Subject, Value

_SATURATED, _SHIFT = "QC.SCIBASIC.NSATURATED", "QC.SCIBASIC.LAMBDA.SHIFT"  # as the pipeline's library names them
_FIELD = ("valid_fraction", "nx", "ny", "nwave")
_SKY = ("histo_bkg", "noise_width", "abmaglim", "num_src", "fwhm")


def measure(subject: Subject, found: Measured) -> None:
    """All values of a single cube."""
    completeness(subject, found)
    cube(subject, found)
    tried(found, provenance, subject, "has_sky", "sky_flat")
    tried(found, preliminary, subject, "num_sat", "lshift_max")


def cube(subject: Subject, found: Measured) -> None:
    """What single and combined cubes have in common."""
    tried(found, field, subject, "valid", "size")
    tried(found, whole, subject, *_FIELD)
    tried(found, white, subject, *_SKY)


def whole(subject: Subject, found: Measured) -> None:
    """The cube's axes, and how much of it is finite."""
    with first_image(subject.of("DATACUBE")[0]) as (data, header):
        if data.ndim != 3:
            raise ValueError("the cube has not three axes")
        nwave, ny, nx = data.shape
        fraction = finite_fraction(data)
        found.values |= {
            "nx": nx,
            "ny": ny,
            "nwave": nwave,
            "valid_fraction": fraction,
            "lambda_mid": wavelength(header),
        }


def white(subject: Subject, found: Measured) -> None:
    """Sky level, noise, limiting magnitude and sources in the white-light image."""
    path = (subject.of("IMAGE_FOV") or subject.of("DATACUBE"))[0]
    with first_image(path) as (data, header):
        image, unit, scale = flat(data), str(header.get("BUNIT", "")), pixel_scale(header)
    peak = noise_peak(image)
    if peak is None:
        raise ValueError("hardly a pixel of the field is finite")
    stars = sources(image, peak.place, peak.width)
    width = seeing(stars)
    middle = found.values.get("lambda_mid")
    limit = limiting_magnitude(peak.width, unit_factor(unit), float(middle) if middle else 7000.0)
    found.values |= {
        "histo_bkg": peak.place,
        "noise_width": peak.width,
        "abmaglim": limit,
        "num_src": len(stars),
        "fwhm": width * scale if width else None,
    }
    if not found.sources:
        found.sources += [_row(number, star, scale) for number, star in enumerate(stars, 1)]


def preliminary(subject: Subject, found: Measured) -> None:
    """Saturated pixels and wavelength shift: of the cube's header (NUM_SAT, WDEL_MAX), else of the inputs' headers.

    The page says that pgi_postSCI carries them over; what the recipe wrote into the inputs is looked up without it.
    """
    final = keywords(Path(subject.of("DATACUBE")[0]), ["NUM_SAT", "WDEL_MAX"])
    saturated, shifts = [final.get("NUM_SAT")], [final.get("WDEL_MAX")]
    starts, seconds = set(), 0.0
    for path, _ in subject.inputs:
        if Path(path).is_file():
            header = keywords(Path(path), ["NUM_SAT", "WDEL_MAX", _SATURATED, _SHIFT, "TPL.START", "EXPTIME"])
            starts.add(header.get("TPL.START"))
            seconds += float(time) if isinstance(time := header.get("EXPTIME"), int | float) else 0.0
            saturated.append(header.get("NUM_SAT", header.get(_SATURATED)))
            shifts.append(header.get("WDEL_MAX", header.get(_SHIFT)))
    counts = [int(value) for value in saturated if isinstance(value, int | float)]
    values = [abs(float(value)) for value in shifts if isinstance(value, int | float)]
    found.values["num_sat"] = None if not counts else counts[0] if "NUM_SAT" in final else sum(counts)
    found.values["texptime"] = seconds or None
    found.values["templates"] = len(starts - {None}) or None
    found.values["lshift_max"] = max(values, default=None)


def provenance(subject: Subject, found: Measured) -> None:
    """Which calibrations the product's history names: a sky of its own, a twilight sky flat."""
    from astropy.io import fits

    header = fits.getheader((subject.of("DATACUBE") or subject.of("IMAGE_FOV"))[0], 0)
    used = {str(value) for key, value in header.items() if key.startswith("ESO PRO REC") and key.endswith(" CATG")}
    used |= {tag for _, tag in (*subject.inputs, *subject.calibs)}
    found.values["has_sky"] = int(bool(used & {"SKY_CONTINUUM", "SKY_MASK"}))
    found.values["sky_flat"] = int("TWILIGHT_CUBE" in used)
    found.values["is_sky"] = int("SKY" in used or header.get("ESO DPR TYPE") == "SKY")


def _row(number: int, star: Source, scale: float) -> dict[str, Value]:
    width = star.fwhm * scale if star.fwhm else None
    return {"source": number, "x": star.x + 1, "y": star.y + 1, "flux": star.flux, "fwhm": width}
