"""`dfos config`: where a setting comes from, what is legal, classic files as YAML, the example plugin to look at."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from console.cli import words

if TYPE_CHECKING:
    from pathlib import Path

    from config.tree import DfoTree

_EPILOG = """\
  explain [KEY]   value, origin (file:line), meaning and legal values of a key, e.g. certification.mode;
                  a group (move, kinds.scipost) lists its keys, without KEY all of them
  schema          the JSON schema of dfos.yaml, for editors
  import FILE     a classic config.moveProducts, or a .dfosrc, as YAML on stdout
  install-plugin pgi_moveProducts
                  put the example plugin of moveProducts into $DFO_INSTALL_DIR/moveProducts, to be looked at;
                  it is used when move.special_plugin names it, and not before

Settings come from, later wins: shipped templates, the instrument profile (profile: NAME in dfos.yaml),
config.moveProducts, dfos.yaml, environment DFOS_<SECTION>__<KEY>, --set SECTION.KEY=VALUE."""


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser("dfos config", "The settings of an account.", _EPILOG)
    made.add_argument("action", choices=("explain", "schema", "import", "install-plugin"))
    made.add_argument("what", nargs="?", default="", metavar="KEY|FILE|NAME")
    made.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="override a setting")
    return made


def main(argv: list[str]) -> int:
    """Print what was asked for. ConfigTrouble (2) names file, line and nearest spelling."""
    made = parser()
    given = made.parse_args(argv)
    if given.action == "schema":
        return _schema()
    if given.action == "import":
        if not given.what:
            made.error("import needs a FILE, e.g. config.moveProducts")
        return _import(given.what)
    if given.action == "install-plugin":
        return _install(words.tree(given.root), given.what)
    return _explain(given.root, given.what, given.set)


def _explain(root: str | None, key: str, sets: list[str]) -> int:
    import os

    from config.explain import explain
    from console.account import open_settings

    loaded = open_settings(words.tree(root), os.environ, sets)
    print(explain(loaded, key))
    _tell(loaded.notices)
    return 0


def _schema() -> int:
    import json

    from config.schema import Settings

    print(json.dumps(Settings.model_json_schema(), indent=2))
    return 0


def _import(name: str) -> int:
    from pathlib import Path

    from config.errors import ConfigTrouble
    from config.legacy import read_move_products, to_yaml

    path = Path(name)
    if path.name.startswith(".dfosrc"):
        return _import_dfosrc(path)
    try:
        data = path.read_bytes()
    except OSError as trouble:
        raise ConfigTrouble(f"{path}: cannot be read: {trouble.strerror}") from trouble
    found = read_move_products(data, name)
    print(to_yaml(found.move, path.name), end="")
    _tell(found.notices)
    return 0


def _import_dfosrc(path: Path) -> int:
    """The directories stay in .dfosrc, which is read as it is; its scalars become YAML."""
    import os

    import yaml

    from config.dfosrc import read_dfosrc
    from config.errors import ConfigTrouble
    from config.tree import DIRECTORIES
    from console.account import home_of

    root = path.absolute().parent
    found = read_dfosrc([path], {"HOME": str(home_of(os.environ)), "DFOS_ROOT": str(root), "PWD": str(root)})
    if found.problems:
        raise ConfigTrouble(*found.problems)
    lines = [f"# from {path.name}; directories stay there, it is read as it is:"]
    lines += [f"#   {name} {found.variables[name]}" for name in DIRECTORIES if name in found.variables]
    scalars = {"instrument": found.variables["DFO_INSTRUMENT"]} if found.variables.get("DFO_INSTRUMENT") else {}
    text = yaml.safe_dump(scalars, sort_keys=False) if scalars else "# DFO_INSTRUMENT is not set\n"
    print("\n".join(lines) + "\n" + text, end="")
    _tell(found.notices)
    return 0


def _install(tree: DfoTree, name: str) -> int:
    """The source of the example plugin, for people to read. Nothing that is there is overwritten."""
    import inspect

    from engine.atomic import fs
    from engine.errors import UsageTrouble
    from engine.pgis import pgi_moveProducts

    if name != pgi_moveProducts.NAME:
        raise UsageTrouble(f"'{name}' is no example plugin", remedy=f"there is one: {pgi_moveProducts.NAME}")
    folder = tree.variables.get("DFO_INSTALL_DIR", "")
    if not folder:
        raise UsageTrouble("DFO_INSTALL_DIR is not set", remedy="add 'export DFO_INSTALL_DIR=...' to .dfosrc")
    text = inspect.getsource(pgi_moveProducts).encode()
    path = tree.expand(folder) / "moveProducts" / f"{name}.py"
    try:
        fs.make_dir(path.parent)
        fs.write_new(path, text)
    except OSError as trouble:
        raise UsageTrouble(f"cannot be written: {trouble.strerror}", where=str(path)) from trouble
    print(f"{path}\nit is not in use; to use it: move.special_plugin: {name}")
    return 0


def _tell(notices: tuple[str, ...]) -> None:
    for notice in notices:
        print(f"note: {notice}", file=sys.stderr)
