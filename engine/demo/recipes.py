"""Recipe parameters and calibration associations of the demo's ABs, as data.

The miniature CCD has too little overscan for the recipes' own outlier rejection, hence `--ovscreject`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.core.ab import Calib
from engine.demo.calibrations import FILES

_CCD = ("--nifu=1", "--overscan=offset", "--ovscreject=none")
PARAMS: Mapping[str, tuple[str, ...]] = {
    "bias": _CCD,
    "scibasic": (*_CCD, "--saveimage=false"),
    "create_sky": ("--fraction=0.75",),
    "scipost": ("--skymethod=none", "--save=cube,individual"),
    "scipost_sky": ("--skymethod=subtract-model", "--save=cube,individual"),
    "align": ("--rsearch=4.,2.,0.8", "--threshold=15.", "--srcmin=4", "--srcmax=60"),
    "combine": ("--save=cube",),
}
_NEEDS = {
    "muse_scibasic": ("MASTER_FLAT", "TRACE_TABLE", "WAVECAL_TABLE", "GEOMETRY_TABLE"),
    "muse_create_sky": ("SKY_LINES", "LSF_PROFILE", "STD_RESPONSE", "EXTINCT_TABLE"),
    "muse_scipost": ("LSF_PROFILE", "STD_RESPONSE", "EXTINCT_TABLE"),
}


def calibs(bias_product: str) -> dict[str, Sequence[Calib]]:
    """MCALIB associations by recipe; `bias_product` is the virtual MASTER_BIAS, as ABs write its path."""
    static = {
        calib.catg: Calib("REAL", f"$DFO_CAL_DIR/gen/{calib.name}", calib.catg, ("-2.0", "OK")) for calib in FILES
    }
    found: dict[str, Sequence[Calib]] = {recipe: [static[catg] for catg in catgs] for recipe, catgs in _NEEDS.items()}
    master = Calib("VIRTUAL", bias_product, "MASTER_BIAS", ("-0.140", "OK"))
    return found | {"muse_scibasic": [master, *found["muse_scibasic"]]}
