"""Find the account, read its `.dfosrc`, resolve its directories. Standard library only, and quick.

DFO_* variables come from `.dfosrc` alone, never from the caller's environment: a shell of one
account must not redirect the tools of another, and cron has no environment at all.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from config.dfosrc import DfosRc, read_dfosrc
from config.errors import ConfigTrouble
from config.tree import DIRECTORIES, DfoTree

if TYPE_CHECKING:
    from config.load import Loaded

RC = ".dfosrc"
_SYSTEM = ("/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/proc", "/root", "/run", "/sbin", "/sys")
_SYSTEM_BELOW = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr")
_APART = ("DFO_RAW_DIR", "DFO_CAL_DIR", "DFO_SCI_DIR", "DFO_LOG_DIR", "DFO_PLT_DIR", "DFO_AB_DIR", "DFS_PRODUCT")


@dataclass(frozen=True, slots=True)
class Account:
    """What `.dfosrc` gives, complete or not: doctor shows it even when tools must refuse it."""

    root: Path
    rc: DfosRc
    directories: Mapping[str, Path]  # variable -> directory, of those that are usable
    outside: tuple[str, ...]  # variables whose directory is not below the root; lawful, but told
    problems: tuple[str, ...]


def find_root(explicit: str | None, environ: Mapping[str, str], cwd: Path) -> Path:
    """The account's root: `--root`, else $DFOS_ROOT, else the working directory or the nearest parent that holds
    a `.dfosrc`, else the home directory. ConfigTrouble says where was looked.
    """
    named = explicit or environ.get("DFOS_ROOT")
    if named:
        root = _absolute(Path(named), cwd)
        if not (root / RC).is_file():
            source = "--root" if explicit else "DFOS_ROOT"
            raise ConfigTrouble(f"{source} {root}: holds no {RC}; name the directory of an account")
        return root
    home = home_of(environ)
    for folder in (cwd, *cwd.parents, home):
        if (folder / RC).is_file() and _trusted(folder / RC):
            return folder
    raise ConfigTrouble(
        f"no account found: no {RC} of your own in {cwd}, above it, or in {home};"
        " go to the account, or name it with --root or DFOS_ROOT"
    )


def home_of(environ: Mapping[str, str]) -> Path:
    """HOME, or the home directory of the user database where the environment is empty (cron)."""
    if environ.get("HOME"):
        return Path(environ["HOME"])
    import pwd

    return Path(pwd.getpwuid(os.getuid()).pw_dir)


def read_account(root: Path, environ: Mapping[str, str]) -> Account:
    """The account as far as it can be read; nothing is raised for what is missing.

    $DFOS_OVERLAY names an overlay, e.g. FORS2 for `.dfosrc_FORS2`, read after `.dfosrc`.
    """
    files = [root / RC]
    problems: list[str] = []
    overlay = environ.get("DFOS_OVERLAY", "")
    if overlay and not overlay.replace("_", "").isalnum():
        problems.append(f"environment DFOS_OVERLAY: '{overlay}' is not the name of an instrument")
    elif overlay:
        files.append(root / f"{RC}_{overlay}")
    home = str(home_of(environ))
    base = {"HOME": home, "DFOS_ROOT": str(root), "PWD": str(root)}
    base |= {name: environ[name] for name in ("USER", "LOGNAME") if environ.get(name)}
    rc = read_dfosrc(files, base)
    problems += rc.problems
    directories, outside = _directories(root, rc, problems)
    return Account(root, rc, directories, tuple(outside), tuple(problems))


def open_tree(root: Path, environ: Mapping[str, str]) -> DfoTree:
    """The directories of the account; ConfigTrouble lists every variable that is missing or wrong."""
    return tree_of(read_account(root, environ))


def tree_of(account: Account) -> DfoTree:
    """The account's directories; ConfigTrouble when it has problems."""
    if account.problems:
        raise ConfigTrouble(*account.problems)
    variables = {**account.rc.variables, **{name: str(path) for name, path in account.directories.items()}}
    paths = {attribute: account.directories[name] for name, attribute in DIRECTORIES.items()}
    return DfoTree(root=account.root, **paths, variables=variables, origins=dict(account.rc.origins))


def open_settings(tree: DfoTree, environ: Mapping[str, str], sets: Sequence[str] = ()) -> Loaded:
    """The settings of the account; ConfigTrouble lists all problems, also paths that leave the account."""
    from config.load import load

    loaded = load(tree.config, environ, sets)
    problems = []
    settings = loaded.settings
    instrument = tree.variables.get("DFO_INSTRUMENT")
    if instrument and instrument != settings.instrument:
        problems.append(
            f"{loaded.origins['instrument'].where}: instrument: {settings.instrument}, but"
            f" {tree.origins['DFO_INSTRUMENT']} sets DFO_INSTRUMENT to {instrument}; make them agree"
        )
    lawful = [tree.root, *(getattr(tree, name) for name in DIRECTORIES.values())]
    texts = {"process.work_area": settings.process.work_area, "archive.directory": settings.archive.directory}
    for key, text in texts.items():
        where = f"{loaded.origins[key].where}: {key}"
        path = Path(os.path.normpath(tree.expand(text)))
        if not _within(path, [*lawful, *_named(text, tree)]):
            problems.append(
                f"{where}: {path} is outside the account; only .dfosrc may name such a directory: set a variable there,"
                f" and write {key}: $THAT_VARIABLE"
            )
        elif "$" in str(path):
            problems.append(f"{where}: '{text}' names a variable that .dfosrc does not set")
    if problems:
        raise ConfigTrouble(*problems)
    return loaded


def _named(text: str, tree: DfoTree) -> list[Path]:
    """The directories that .dfosrc gives to the variables in a text; none of the system, or above the account."""
    found = [value for name, value in tree.variables.items() if f"${name}/" in f"{text}/" or f"${{{name}}}" in text]
    return [path for value in found if not _refusal(path := Path(os.path.normpath(value)), tree.root, value)]


def _directories(root: Path, rc: DfosRc, problems: list[str]) -> tuple[dict[str, Path], list[str]]:
    found: dict[str, Path] = {}
    outside: list[str] = []
    values = dict(rc.variables)
    if "DFS_LOG_DIR" not in values and "DFS_LOG" in values:  # the pages write both
        values["DFS_LOG_DIR"] = values["DFS_LOG"]
    missing = [name for name in DIRECTORIES if not values.get(name) and name not in rc.refused]
    if missing:
        problems.append(f"{root / RC}: not set: {', '.join(missing)}; add a line 'export {missing[0]}=...' for each")
    for name in DIRECTORIES:
        text = values.get(name)
        if not text:
            continue
        where = rc.origins.get(name) or rc.origins["DFS_LOG"]
        path = Path(os.path.normpath(text))
        refusal = _refusal(path, root, text)
        if refusal:
            problems.append(f"{where}: {name}: {text} {refusal}")
            continue
        found[name] = path
        if not _within(path, [root]):
            outside.append(name)
    _apart(found, rc, problems)
    return found, outside


def _refusal(path: Path, root: Path, text: str) -> str:
    if not path.is_absolute():
        return f"is not absolute; write {root / text}"
    if len(text) > 4096 or any(char.isspace() for char in text):
        return "holds blanks or is too long; SOF files of the recipes cannot name it"
    if path == root or _within(root, [path]):
        return "is the account itself or above it; name a directory below it"
    if str(path) in _SYSTEM or _within(path, [Path(folder) for folder in _SYSTEM_BELOW]):
        return "belongs to the system"
    return ""


def _apart(found: Mapping[str, Path], rc: DfosRc, problems: list[str]) -> None:
    """Tools empty some of these directories: no two may be one, and DFS_PRODUCT holds raw types only."""
    names = [name for name in _APART if name in found]
    for index, one in enumerate(names):
        for two in names[index + 1 :]:
            if found[one] == found[two]:
                problems.append(f"{rc.origins[two]}: {two}: the same directory as {one}; tools empty one of them")
    product = found.get("DFS_PRODUCT")
    for name, path in found.items():
        if product and product in path.parents:
            problems.append(
                f"{rc.origins.get(name) or rc.origins['DFS_LOG']}: {name}: lies inside DFS_PRODUCT, which tools empty"
            )


def _within(path: Path, roots: Sequence[Path]) -> bool:
    return any(path == root or root in path.parents for root in roots)


def _absolute(path: Path, cwd: Path) -> Path:
    return Path(os.path.normpath(path if path.is_absolute() else cwd / path))


def _trusted(path: Path) -> bool:
    """A .dfosrc met on the way up counts only when it is ours: anybody may put one into a shared directory."""
    state = path.stat()
    return state.st_uid in (os.getuid(), 0) and not state.st_mode & stat.S_IWOTH
