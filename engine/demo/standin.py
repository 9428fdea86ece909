"""The stand-in pipeline: called exactly like esorex where esorex is not installed, and really computing.

    python -m engine.demo.standin [esorex options] RECIPE [recipe options] FILE.sof ...

Same options, text, log, product list and exit status as esorex (esorex-facts sections 2-3) for muse_bias,
muse_scibasic, muse_create_sky, muse_scipost, muse_exp_align and muse_exp_combine. It says in its first line and in
every product (PRO RECi PIPE ID) that it is a stand-in. Needs numpy and astropy.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from engine.demo import standin_params as params
from engine.demo.standin_errors import BadCall, RecipeFailed, StandInTrouble, UnknownRecipe
from engine.demo.standin_log import LEVELS, Log

if TYPE_CHECKING:
    from engine.demo.standin_frames import Call, Product

VERSION = "0.1"
_BANNER = f"\n     ***** STAND-IN pipeline, version {VERSION} (numpy, not the ESO recipes)  *****\n\n"
_FLAGS = ("version", "help", "recipes", "man-page", "params", "no-checksum", "no-datamd5", "mem-check")
_VALUES = {
    "recipe-dir": "",
    "output-dir": ".",
    "output-prefix": "out",
    "suppress-prefix": "true",
    "suppress-link": "true",
    "log-dir": ".",
    "log-file": "esorex.log",
    "products-sof": "",
    "check-sof-exist": "true",
    "msg-level": "info",
    "log-level": "info",
    "time": "true",
    "output-readonly": "false",
}


@dataclass(slots=True)
class _Options:
    flags: set[str] = field(default_factory=set)
    values: dict[str, str] = field(default_factory=lambda: dict(_VALUES))
    recipe: str = ""
    recipe_options: list[str] = field(default_factory=list)
    sofs: list[Path] = field(default_factory=list)


def main(argv: Sequence[str]) -> int:
    """Run one call; the exit status is esorex's."""
    sys.stdout.write(_BANNER)
    sys.stdout.flush()
    try:
        options = _options(argv)
    except StandInTrouble as trouble:
        sys.stderr.write("".join(f"[ ERROR ] esorex: {line}\n" for line in trouble.lines))
        return trouble.status
    if not options.recipe or options.flags & {"version", "help", "recipes", "man-page", "params"}:
        return _asked(options)
    try:
        return _call(options, argv)
    except OSError as trouble:
        sys.stderr.write(f"[ ERROR ] esorex: cannot write here: {trouble}\n")
        return 255


def _options(argv: Sequence[str]) -> _Options:
    options = _Options()
    for word in argv:
        if not options.recipe and word.startswith("--"):
            name, given, value = word[2:].partition("=")
            if name in _FLAGS:
                options.flags.add(name)
            elif name in _VALUES:
                options.values[name] = value if given else "true"
            else:
                raise BadCall(
                    f"Command line parameter '{word}' not recognized", "Unable to continue parsing command line options"
                )
        elif not options.recipe:
            options.recipe = word
        elif word.startswith("--"):
            options.recipe_options.append(word)
        else:
            options.sofs.append(Path(word))
    for name in ("output-dir", "log-dir"):
        if not Path(options.values[name]).is_dir():
            raise BadCall(f"The argument to '--{name}' [{options.values[name]}] is not a valid directory")
    for name in ("msg-level", "log-level"):
        if options.values[name] not in LEVELS:
            raise BadCall(f"CPL error 'Illegal input' occurred during the processing of the option '--{name}'")
    return options


def _asked(options: _Options) -> int:
    """--version, --recipes, --man-page and the like; none of them runs a recipe."""
    out = sys.stdout.write
    if options.flags & {"man-page", "params"}:
        if options.recipe not in params.PARAMS:
            sys.stderr.write(f"[ ERROR ] esorex: Unable to find recipe '{options.recipe}'.\n")
            return UnknownRecipe.status
        out(f"NAME\n  {options.recipe} -- {params.SYNOPSIS[options.recipe]}\n\nOPTIONS\n")
        for name, default in params.PARAMS[options.recipe].items():
            note = "" if name in params.HEEDED[options.recipe] else " (without effect in the stand-in)"
            out(f"  --{name:<20}: [{default}]{note}\n")
    elif "recipes" in options.flags:
        out("List of Available Recipes :\n\n")
        for name, text in params.SYNOPSIS.items():
            out(f"  {name:<22}: {text}\n")
    else:
        out("python -m engine.demo.standin [esorex-options] RECIPE [recipe-options] FILE.sof\n")
    return 0


def _call(options: _Options, argv: Sequence[str]) -> int:
    values = options.values
    log = Log(Path(), values["msg-level"], values["log-level"])
    target = Path(values["log-dir"]) / values["log-file"]
    status = 255
    try:
        log.info(f"This is the STAND-IN pipeline, version {VERSION}: computed with numpy, not by the ESO recipes")
        log.raw(f"Invocation command line was: {' '.join(argv)}\n")
        status = _run(options, log)
    except StandInTrouble as trouble:
        for line in trouble.lines:
            log.error(line)
        if isinstance(trouble, RecipeFailed):
            log.who = "esorex"
            log.error(f"Execution of recipe '{options.recipe}' failed, status = -1")
            if values["products-sof"]:
                log.warning("Writing of output sof omitted due to previous errors")
        status = trouble.status
    finally:
        log.close(target)
    return status


def _run(options: _Options, log: Log) -> int:
    recipe = options.recipe
    if recipe not in params.PARAMS:
        raise UnknownRecipe(f"Unable to find recipe '{recipe}'. The stand-in knows {', '.join(params.PARAMS)}")
    given = params.read(recipe, options.recipe_options)
    started = time.monotonic()
    from engine.demo import standin_frames as frames

    sof = frames.read_sof(options.sofs, options.values["check-sof-exist"] != "false")
    log.who = recipe
    idle = [option for option in options.recipe_options if option[2:].partition("=")[0] not in params.HEEDED[recipe]]
    if idle:
        log.info(f"without effect in the stand-in: {' '.join(idle)}")
    try:
        products = _recipe(recipe)(frames.Call(recipe, given, sof, log))
    except (LookupError, ValueError, TypeError, ArithmeticError, MemoryError) as trouble:
        raise RecipeFailed(f"the inputs cannot be used: {type(trouble).__name__}: {trouble}") from trouble
    log.who = "esorex"
    _deliver(options, products, log)
    log.info(f"Recipe operation(s) took {time.monotonic() - started:14.3g} seconds to complete.")
    return 0


def _recipe(name: str) -> Callable[[Call], list[Product]]:
    from engine.demo import standin_align, standin_ccd, standin_cube, standin_sky

    return {
        "muse_bias": standin_ccd.muse_bias,
        "muse_scibasic": standin_ccd.muse_scibasic,
        "muse_create_sky": standin_sky.muse_create_sky,
        "muse_scipost": standin_cube.muse_scipost,
        "muse_exp_align": standin_align.muse_exp_align,
        "muse_exp_combine": standin_cube.muse_exp_combine,
    }[name]


def _deliver(options: _Options, products: Sequence[Product], log: Log) -> None:
    """Move the products to --output-dir under their names, and list them."""
    directory = Path(options.values["output-dir"])
    made = sorted((product.name, product.catg) for product in products)
    final = []
    for number, (name, catg) in enumerate(made):
        prefixed = options.values["suppress-prefix"] == "false"
        target = directory / (f"{options.values['output-prefix']}_{number:04d}.fits" if prefixed else name)
        if target != Path(name):
            import shutil

            shutil.move(name, target)
        log.info(f"Created product {target}")
        final.append((str(target), catg))
    listing = options.values["products-sof"]
    if listing.endswith(".json"):
        entries = [{"name": name, "category": catg} for name, catg in final]
        Path(listing).write_text(json.dumps(entries, indent=2) + "\n", "utf-8")
    elif listing:
        Path(listing).write_text("".join(f"{name}  {catg}\n" for name, catg in final), "utf-8")
    log.info(f"{len(final)} products created")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # like esorex: ends at once, `.logfile` stays
    sys.exit(main(sys.argv[1:]))
