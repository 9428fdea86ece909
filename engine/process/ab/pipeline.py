"""Which pipeline runs the recipes, and its command line (esorex-facts section 2).

esorex and the instrument's plugins; or the built-in stand-in, which takes the same options, where that is asked for.
`auto` is content with the stand-in in a demo or test account only. Everything is passed explicitly: no rc file and no
variable of the caller counts.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from config.schema import Settings
from engine.core.pipelines import STANDIN, pipeline_names
from engine.errors import RecipeTrouble

SOF = "input.sof"
PRODUCTS = "products.json"
OWN_LOG = "esorex.log"  # the pipeline's own log in the work directory, once it has ended
OPEN_LOG = ".logfile"  # the same while it runs, and after a crash
_PLUGINS = ("/usr/lib/*/cpl/plugins", "/usr/lib/cpl/plugins", "/usr/lib64/cpl/plugins", "/usr/local/lib*/cpl/plugins")
_STANDIN = "engine.demo.standin"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What runs recipes. `name` with versions for the run record; `program` begins every command line."""

    name: str
    standin: bool
    program: tuple[str, ...]
    recipe_dir: str = ""
    instrument: str = ""  # whose recipes `recipe_dir` holds; '' where it was configured and holds for all
    log_level: str = "info"
    check_sof: bool = True  # CHECK_SOF_EXIST

    def command(self, recipe: str, params: Iterable[str], instrument: str = "") -> list[str]:
        """The argument list for a recipe started in its work directory, SOF and products there too.

        `params` are verbatim, `instrument` is the AB's: its own recipes are taken where they are installed.
        RecipeTrouble when a parameter is no option.
        """
        if not self.program:
            raise RecipeTrouble("there is no pipeline to run recipes", remedy="dfos doctor shows what is missing")
        params = list(params)
        for param in params:
            if not param.startswith("--") or any(char.isspace() or ord(char) < 32 for char in param):
                raise RecipeTrouble(
                    f"RECIPE_PARAM '{param}' is no recipe option", remedy="write it as --name=value in the AB"
                )
        directory = self.recipe_dir
        if self.instrument and instrument and instrument.upper() != self.instrument.upper():
            directory = plugin_dir(instrument) or directory
        place = [f"--recipe-dir={directory}"] if directory else []
        return [
            *self.program,
            *place,
            "--output-dir=.",
            "--log-dir=.",
            f"--log-file={OWN_LOG}",
            f"--log-level={self.log_level}",
            f"--msg-level={self.log_level}",
            "--suppress-prefix=true",
            "--suppress-link=true",
            "--output-readonly=false",
            f"--check-sof-exist={'true' if self.check_sof else 'false'}",
            f"--products-sof={PRODUCTS}",
            recipe,
            *params,
            SOF,
        ]


def pipeline_of(settings: Settings) -> Pipeline:
    """The pipeline of an instance; RecipeTrouble when esorex or recipes are missing and the stand-in is not wanted."""
    process = settings.process
    standin = Pipeline(STANDIN, True, (sys.executable, "-P", "-m", _STANDIN), log_level=process.log_level)
    standin = replace(standin, check_sof=process.check_sof_exist)
    if process.pipeline == "stand-in":
        return standin
    program = shutil.which(process.esorex)
    directory = process.recipe_dir or plugin_dir(settings.instrument)
    auto = process.pipeline == "auto"
    if auto and not settings.operational and not (program and directory):
        return standin
    wish = "; or set process.pipeline: stand-in, whose products are not ESO's" if auto else ""
    if not program:
        raise RecipeTrouble(
            f"esorex not found: '{process.esorex}'", remedy=f"install esorex, or set process.esorex{wish}"
        )
    if not directory:
        raise RecipeTrouble(
            f"no recipes for {settings.instrument} found",
            remedy=f"install cpl-plugin-{settings.instrument.lower()[:5]}, or set process.recipe_dir{wish}",
        )
    name = f"esorex {_version(program)}, {Path(directory).name}".replace("-", " ")
    own = "" if process.recipe_dir else settings.instrument
    return Pipeline(name, False, (program,), directory, own, process.log_level, process.check_sof_exist)


def none_of(trouble: RecipeTrouble) -> Pipeline:
    """What an account has that cannot run recipes: everything else works there."""
    return Pipeline(f"no pipeline ({trouble.what})", False, ())


def plugin_dir(instrument: str, places: Sequence[str] = _PLUGINS) -> str:
    """The newest installed plugin directory of an instrument, e.g. .../cpl/plugins/muse-2.8.7; '' for none.

    Pipelines of long names are known by their first letters: GIRAFFE is .../giraf-2.16.10.
    """
    for word in pipeline_names(instrument):
        found = [path for place in places for path in Path("/").glob(f"{place.lstrip('/')}/{word}-*") if path.is_dir()]
        if found:
            return str(max(found, key=lambda path: [int(part) for part in re.findall(r"\d+", path.name)]))
    return ""


def sof_text(inputs: Iterable[tuple[Path, str]]) -> str:
    """The set of frames; RecipeTrouble for a path or tag that esorex would split or expand."""
    lines = []
    for path, tag in inputs:
        if re.search(r"[\s$#]", str(path)) or re.search(r"\s", tag) or not str(path).isprintable():
            raise RecipeTrouble(
                f"'{path}' holds a blank, '$' or '#', which a set of frames cannot express",
                remedy="rename the file or directory",
            )
        lines.append(f"{path} {tag}\n")
    return "".join(lines)


def _version(program: str) -> str:
    try:
        ran = subprocess.run([program, "--version"], capture_output=True, timeout=20, env={"LC_ALL": "C"}, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "?"
    found = re.search(r"version\s+([\d.]+)", ran.stdout.decode("utf-8", "replace"))
    return found[1].rstrip(".") if found else "?"
