"""The miniature MUSE of the demo: one channel with all 48 slices, each 44 pixels wide, 64 wavelengths.

The recipes take every detector size from the header, so this is as real to them as the full CCD
(esorex-facts section 5). Angles in degrees on the sky, offsets in arcsec, wavelengths in Angstrom,
fluxes in 1e-20 erg/s/cm2/Angstrom per spaxel unless a name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MiniMuse:
    """Sizes and calibration constants of the miniature; everything else follows from them."""

    slices: int = 48
    width: int = 44  # pixels of light per slice
    pitch: int = 48  # pixels from slice to slice on the CCD
    waves: int = 64  # rows of light
    scan: int = 32  # prescan and overscan, pixels
    lambda0: float = 5540.0  # wavelength of row 0
    step: float = 1.25  # Angstrom per row
    spaxel: float = 0.2  # arcsec
    lsf_sigma: float = 1.06  # Angstrom, a FWHM of 2.5
    gain: float = 1.1  # electrons per ADU
    ron: float = 2.8  # electrons
    bias: float = 1000.0  # ADU, of the first port; the others lie a little higher
    response: float = 42.0  # magnitudes, at all wavelengths
    extinction: float = 0.12  # magnitudes per airmass
    airmass: float = 1.0  # at zenith: no differential refraction
    exptime: float = 600.0  # seconds

    @property
    def columns(self) -> int:
        """Columns of light on the CCD."""
        return self.slices * self.pitch

    def sensitivity(self) -> float:
        """Electrons per row for a flux of one unit in one exposure."""
        magnitudes = self.response - self.extinction * self.airmass
        return float(self.exptime * self.step * 10 ** (0.4 * magnitudes) / 1e20)

    def left(self, slice_number: int) -> float:
        """CCD x (1-based pixel centre) of the first pixel of slice 1..48."""
        return (slice_number - 1) * self.pitch + (self.pitch - self.width) / 2 + 1


MUSE = MiniMuse()
MODE = "WFM-NOAO-N"
READ_ID, READ_NAME = 1, "SCI1.0"

# Night-sky emission in the miniature's range: Angstrom, flux per arcsec2 (1e-20 erg/s/cm2/arcsec2), name, group
SKY_LINES = (
    (5554.90, 9000.0, "OH 5554.9", 1),
    (5577.34, 60000.0, "O I 5577", 2),
    (5589.10, 7000.0, "OH 5589.1", 1),
    (5605.20, 5000.0, "OH 5605.2", 1),
)
SKY_CONTINUUM = 1500.0  # per arcsec2
