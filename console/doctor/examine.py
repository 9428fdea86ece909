"""What an account needs. Nothing is changed, created or started."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from config.errors import ConfigTrouble
from config.tree import DIRECTORIES, DfoTree
from console.account import Account, open_settings, read_account, tree_of
from console.doctor.check import MISSING, OK, WARN, Check

if TYPE_CHECKING:
    from config.schema import Settings

_MIB = 1024 * 1024
# directories that need not be there before the first run: tools make them
_MADE_LATER = ("DFO_LST_DIR", "DFO_JOB_DIR", "DFO_PLT_DIR", "DFO_BIN_DIR")


def examine(root: Path, environ: Mapping[str, str], sets: tuple[str, ...] = ()) -> list[Check]:
    """Every check of the account at `root`, whatever the earlier ones found."""
    account = read_account(root, environ)
    checks = [Check("account", "root", str(root), OK), *_variables(account), *_directories(account)]
    tree = _tree(account)
    settings, config_checks = _configuration(account, tree, environ, sets)
    checks += config_checks
    if settings is not None:
        checks += [*_source(tree, settings), *_space(account, settings), *_tools(settings), *_plugins(tree, settings)]
        from console.doctor.batch import batch
        from console.doctor.qc import quality

        checks += [*batch(tree, settings), *quality(tree, settings)]
    if "DFO_MON_DIR" in account.directories:
        checks += _lock(tree)
    return [*checks, *_packages(), *_terminal(environ)]


def _tree(account: Account) -> DfoTree:
    """The account's directories; where one is missing, a place that is only ever looked at."""
    if not account.problems:
        return tree_of(account)
    paths = {attribute: account.directories.get(name, account.root / name) for name, attribute in DIRECTORIES.items()}
    return DfoTree(root=account.root, **paths, variables=account.rc.variables, origins=account.rc.origins)


def _configuration(
    account: Account, tree: DfoTree, environ: Mapping[str, str], sets: tuple[str, ...]
) -> tuple[Settings | None, list[Check]]:
    from config.load import load

    group = "configuration"
    if "DFO_CONFIG_DIR" not in account.directories:
        return None, [Check(group, "dfos.yaml", "cannot be looked for without DFO_CONFIG_DIR", MISSING)]
    try:
        loaded = load(tree.config, environ, sets) if account.problems else open_settings(tree, environ, sets)
    except ConfigTrouble as trouble:
        return None, [Check(group, *_split(problem), MISSING) for problem in trouble.problems]
    settings = loaded.settings
    checks = [Check(group, settings.instance, f"instrument {settings.instrument}", OK)]
    return settings, [*checks, *(Check(group, *_split(notice), WARN) for notice in loaded.notices)]


def _split(problem: str) -> tuple[str, str]:
    place, _, said = problem.partition(": ")
    return (Path(place).name if "/" in place else place, said) if said else ("", problem)


def _variables(account: Account) -> Iterator[Check]:
    for name in DIRECTORIES:
        known = {**account.rc.variables, **account.rc.refused}
        if not known.get(name) and not (name == "DFS_LOG_DIR" and "DFS_LOG" in known):
            yield Check("variables", name, f"not set; add 'export {name}=...' to {account.root / '.dfosrc'}", MISSING)
    for problem in account.problems:
        if "not set:" not in problem:
            yield Check("variables", *_split(problem), MISSING)
    if "DFO_INSTRUMENT" not in account.rc.variables:
        yield Check("variables", "DFO_INSTRUMENT", "not set; the profile's instrument counts", WARN)
    for notice in account.rc.notices:
        yield Check("variables", *_split(notice), WARN)
    if not account.problems:
        yield Check("variables", f"{len(DIRECTORIES)} directories", "all set", OK)


def _directories(account: Account) -> Iterator[Check]:
    for name, path in account.directories.items():
        if not path.is_dir():
            word = WARN if name in _MADE_LATER else MISSING
            what = "is a file" if path.exists() else "does not exist"
            yield Check("directories", name, f"{path} {what}; run: mkdir -p {path}", word)
        elif not os.access(path, os.W_OK | os.X_OK):
            yield Check("directories", name, f"{path} may not be written by you", MISSING)
        elif name in account.outside:
            yield Check("directories", name, f"{path} lies outside the account", WARN)
        else:
            yield Check("directories", name, str(path), OK)
    try:
        product = account.directories["DFS_PRODUCT"].stat().st_dev
        for name in ("DFO_CAL_DIR", "DFO_SCI_DIR"):
            if account.directories[name].stat().st_dev != product:
                told = f"other file system than DFS_PRODUCT: {name} is filled by copy and checksum, not by link"
                yield Check("directories", name, told, WARN)
    except (KeyError, OSError):
        return


def _source(tree: DfoTree, settings: Settings) -> Iterator[Check]:
    """The branch ABs come from. MUSE_deep and MUSE_DEEP are two branches, whatever the disk says (decision 26)."""
    if not settings.ab_source:
        return
    path = tree.expand(settings.ab_source)
    if not path.is_dir():
        yield Check("configuration", "ab_source", f"{path} does not exist yet", WARN)
        return
    names = [entry.name for entry in path.parent.iterdir()]
    if path.name not in names:
        other = next((name for name in names if name.casefold() == path.name.casefold()), "another name")
        told = f"{path} is really called {other}: this disk does not tell the two branches apart"
        yield Check("configuration", "ab_source", told, MISSING)
    else:
        yield Check("configuration", "ab_source", str(path), OK)


def _space(account: Account, settings: Settings) -> Iterator[Check]:
    for name in ("TMP_DIR", "DFS_PRODUCT"):
        path = account.directories.get(name, account.root)
        place = next((folder for folder in (path, *path.parents) if folder.is_dir()), Path("/"))
        free = shutil.disk_usage(place).free // _MIB
        enough = free >= settings.process.min_free_mb
        told = f"{free} MB free on {place}" + ("" if enough else f", {settings.process.min_free_mb} MB are needed")
        yield Check("space", name, told, OK if enough else MISSING)


def _tools(settings: Settings) -> Iterator[Check]:
    process = settings.process
    if process.pipeline == "stand-in":
        yield Check("tools", "pipeline", "built-in stand-in, as configured", OK)
        return
    needed = process.pipeline == "esorex" or settings.operational
    esorex = shutil.which(process.esorex)
    if esorex is None:
        told = f"'{process.esorex}' is not installed" + ("" if needed else "; the built-in stand-in is used")
        yield Check("tools", "esorex", told, MISSING if needed else WARN)
        return
    yield Check("tools", "esorex", esorex, OK)
    folder = _recipe_dir(settings)
    if folder is None:
        where = process.recipe_dir or f"an esorex plugin directory of {settings.instrument}"
        told = f"{where} does not exist" + ("" if needed else "; the built-in stand-in is used")
        yield Check("tools", "recipes", told, MISSING)
        return
    have = {entry.stem for entry in folder.glob("*.so")}
    for recipe in sorted({kind.recipe for kind in settings.kinds.values()} - {"none", "NONE"}):
        told = str(folder) if recipe in have else f"not among the {len(have)} recipes in {folder}"
        yield Check("tools", recipe, told, OK if recipe in have else MISSING)


def _recipe_dir(settings: Settings) -> Path | None:
    from engine.process.ab.pipeline import plugin_dir

    found = settings.process.recipe_dir or plugin_dir(settings.instrument)
    return Path(found) if found and Path(found).is_dir() else None


def _plugins(tree: DfoTree, settings: Settings) -> Iterator[Check]:
    from console.plugins.find import slots

    for slot, name, found, where in slots(settings, tree):
        if name:
            yield Check("plugins", slot, f"{name}: {where}", OK if found else MISSING)


def _lock(tree: DfoTree) -> Iterator[Check]:
    path = tree.state / "lock"
    try:
        state, note = path.stat(), json.loads(path.read_text("utf-8") or "{}")
        holder = f"pid {note.get('pid', '?')} of {note.get('user', '?')} since {note.get('since', '?')}"
    except FileNotFoundError:
        yield Check("engine", "lock", "no engine has run here yet", OK)
        return
    except (OSError, ValueError, AttributeError):
        yield Check("engine", "lock", f"{path} cannot be read", WARN)
        return
    if _flocked(state):
        yield Check("engine", "lock", f"an engine runs: {holder}", OK)
    elif _alive(note.get("pid")):
        yield Check("engine", "lock", f"not held, though {holder} lives", OK)
    else:
        yield Check("engine", "lock", f"free; left over by {holder}, which has ended", OK)
    if (tree.state / "socket").exists() and not _flocked(state):
        yield Check("engine", "socket", f"{tree.state / 'socket'} is stale; the next engine replaces it", WARN)


def _flocked(state: os.stat_result) -> bool:
    """Whether somebody holds a flock on the file, without trying to take it."""
    mark = f"{os.major(state.st_dev):02x}:{os.minor(state.st_dev):02x}:{state.st_ino}"
    try:
        return any(mark in line.split() for line in Path("/proc/locks").read_text("ascii").splitlines())
    except OSError:
        return False


def _alive(pid: object) -> bool:
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _packages() -> Iterator[Check]:
    import importlib.metadata as metadata
    import re

    try:
        wanted = [text for text in metadata.requires("dfos-console") or () if "extra ==" not in text]
    except metadata.PackageNotFoundError:
        yield Check("python", "dfos-console", "not installed as a package; run from its own directory", WARN)
        return
    missing = 0
    for text in wanted:
        name = re.split(r"[^A-Za-z0-9_.\-]", text, maxsplit=1)[0]
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            missing += 1
            yield Check("python", name, f"not installed; run: pip install '{text}'", MISSING)
    if not missing:
        version = ".".join(str(number) for number in sys.version_info[:3])
        yield Check("python", f"Python {version}", f"all {len(wanted)} packages are there", OK)


def _terminal(environ: Mapping[str, str]) -> Iterator[Check]:
    if not sys.stdout.isatty():
        yield Check("terminal", "stdout", "no terminal: headless use", OK)
        return
    size = shutil.get_terminal_size()
    small = size.columns < 80 or size.lines < 24
    yield Check(
        "terminal", "size", f"{size.columns}x{size.lines}" + (", below 80x24" if small else ""), WARN if small else OK
    )
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    told = "UTF-8" if utf8 else f"{sys.stdout.encoding}: symbols become ASCII"
    yield Check("terminal", environ.get("TERM", "TERM not set"), told, OK if utf8 else WARN)
