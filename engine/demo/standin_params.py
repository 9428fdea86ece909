"""What the stand-in's recipes accept: the parameters and defaults of the MUSE recipes 2.8.7."""

from __future__ import annotations

from engine.demo.standin_errors import BadCall

Value = str | int | float | bool
_CCD: dict[str, Value] = {
    "nifu": 0,
    "overscan": "vpoly",
    "ovscreject": "dcr",
    "ovscsigma": 30.0,
    "ovscignore": 3,
}
_CLIP: dict[str, Value] = {"nlow": 1, "nhigh": 1, "nkeep": 1, "lsigma": 3.0, "hsigma": 3.0}
_CUBE: dict[str, Value] = {
    "save": "cube",
    "resample": "drizzle",
    "dx": 0.0,
    "dy": 0.0,
    "dlambda": 0.0,
    "crtype": "median",
    "crsigma": 15.0,
    "rc": 1.25,
    "pixfrac": "0.8,0.8",
    "ld": 1,
    "format": "Cube",
    "weight": "exptime",
    "filter": "white",
    "lambdamin": 4000.0,
    "lambdamax": 10000.0,
}
PARAMS: dict[str, dict[str, Value]] = {
    "muse_bias": {
        **_CCD,
        "combine": "sigclip",
        **_CLIP,
        "losigmabadpix": 30.0,
        "hisigmabadpix": 3.0,
        "merge": False,
    },
    "muse_scibasic": {
        **_CCD,
        "crop": True,
        "cr": "none",
        "xbox": 15,
        "ybox": 40,
        "passes": 2,
        "thres": 5.8,
        "combine": "none",
        **_CLIP,
        "scale": True,
        "saveimage": True,
        "skylines": "5577.339,6300.304",
        "skyhalfwidth": 5.0,
        "skybinsize": 0.1,
        "skyreject": "15.,15.,1",
        "resample": False,
        "dlambda": 1.25,
        "merge": False,
    },
    "muse_create_sky": {
        "fraction": 0.75,
        "ignore": 0.05,
        "sampling": 0.3125,
        "csampling": 0.3125,
        "crsigma": "15.,15.",
        "lambdamin": 4000.0,
        "lambdamax": 10000.0,
        "lambdaref": 7000.0,
    },
    "muse_scipost": {
        **_CUBE,
        "save": "cube,skymodel",
        "autocalib": "none",
        "raman_width": 20.0,
        "skymethod": "model",
        "lambdaref": 7000.0,
        "darcheck": "none",
        "skymodel_fraction": 0.1,
        "skymodel_ignore": 0.05,
        "skymodel_sampling": 0.3125,
        "skymodel_csampling": 0.3125,
        "sky_crsigma": "15.,15.",
        "rvcorr": "bary",
        "astrometry": True,
    },
    "muse_exp_align": {
        "rsearch": "30.,4.,2.,0.8",
        "nbins": 60,
        "weight": True,
        "fwhm": 5.0,
        "threshold": 15.0,
        "bkgignore": 0.05,
        "bkgfraction": 0.1,
        "step": 0.5,
        "iterations": 100000.0,
        "srcmin": 5,
        "srcmax": 80,
        "roundmin": -1.0,
        "roundmax": 1.0,
        "sharpmin": 0.2,
        "sharpmax": 1.0,
        "expmap": False,
        "bpixdistance": 5.0,
        "override_detection": False,
    },
    "muse_exp_combine": {**_CUBE, "crsigma": 10.0, "pixfrac": "0.6,0.6"},
}
# What the stand-in really heeds; the rest is accepted and reported as without effect.
HEEDED = {
    "muse_bias": {"nifu"},
    "muse_scibasic": {"nifu", "saveimage"},
    "muse_create_sky": {"fraction", "ignore"},
    "muse_scipost": {"save", "skymethod", "pixfrac", "skymodel_fraction", "skymodel_ignore"},
    "muse_exp_align": {"rsearch", "threshold", "step", "iterations", "srcmin", "srcmax", "bpixdistance", "fwhm"},
    "muse_exp_combine": {"save", "pixfrac"},
}
SYNOPSIS = {
    "muse_bias": "Combine several separate bias images into one master bias file.",
    "muse_scibasic": "Remove the instrumental signature and convert the image into a pixel table.",
    "muse_create_sky": "Create night sky model from an exposure of empty sky.",
    "muse_scipost": "Prepare reduced science products: pixel table, cube, image.",
    "muse_exp_align": "Create a coordinate offset table to align exposures.",
    "muse_exp_combine": "Combine several exposures into one datacube.",
}
_ENUMS = {"skymethod": ("none", "subtract-model", "model", "simple", "rowbyrow")}


def read(recipe: str, options: list[str]) -> dict[str, Value]:
    """All parameters of a recipe, with `--name=value` options applied; BadCall as esorex words it."""
    values = dict(PARAMS[recipe])
    for option in options:
        name, given, text = option.removeprefix("--").partition("=")
        if not option.startswith("--") or name not in values:
            raise BadCall(
                f"Command line parameter '{option}' not recognized", "Unable to continue parsing command line options"
            )
        default = values[name]
        try:
            values[name] = _converted(text if given else "true", default)
        except ValueError:
            raise BadCall(
                f"CPL error 'Type mismatch' occurred during the processing of the option '--{name}'"
            ) from None
        if name in _ENUMS and values[name] not in _ENUMS[name]:
            raise BadCall(f"CPL error 'Illegal input' occurred during the processing of the option '--{name}'")
    return values


def _converted(text: str, default: Value) -> Value:
    if isinstance(default, bool):
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    if isinstance(default, int):
        return int(text)
    return float(text) if isinstance(default, float) else text


def number(values: dict[str, Value], name: str) -> float:
    """A numeric parameter."""
    return float(values[name])


def listed(values: dict[str, Value], name: str) -> list[float]:
    """A parameter that is a comma-separated list of numbers."""
    try:
        return [float(word) for word in str(values[name]).split(",")]
    except ValueError:
        raise BadCall(f"'{values[name]}' is no list of numbers for the option '--{name}'") from None
