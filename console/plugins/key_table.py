"""The table `results` that a shell PRE_PLUGIN of renameProducts may edit.

One line per product: PIPEFILE and its key values, columns divided by tabs; the first line names the
columns. An empty cell is a keyword that is not there.
"""

from __future__ import annotations

from engine.errors import PluginTrouble
from engine.pgi import HeaderValue, KeyTable

RESULTS = "results"


def written(keys: KeyTable) -> str:
    """The table as text."""
    columns = _columns(keys)
    lines = ["\t".join(("#PIPEFILE", *columns))]
    lines += ["\t".join((_cell(file), *(_cell(values.get(key)) for key in columns))) for file, values in keys.items()]
    return "\n".join(lines) + "\n"


def amended(plugin: str, keys: KeyTable, text: str) -> dict[str, dict[str, HeaderValue]]:
    """The values in the text; a cell that was not edited keeps its value and type. PluginTrouble names the line."""
    columns = _columns(keys)
    by_cell = {_cell(file): file for file in keys}
    found: dict[str, dict[str, HeaderValue]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, *cells = line.split("\t")
        if name not in by_cell or len(cells) > len(columns):
            what = f"'{name[:60]}' is no product" if name not in by_cell else f"more than {len(columns)} values"
            raise PluginTrouble(f"{plugin} left a line that cannot be read: {what}", where=f"{RESULTS}:{number}")
        file = by_cell[name]
        cells += [""] * (len(columns) - len(cells))
        old = keys[file]
        found[file] = {key: _value(cell, old.get(key)) for key, cell in zip(columns, cells, strict=True) if key in old}
    return found


def _columns(keys: KeyTable) -> list[str]:
    return list(dict.fromkeys(key for values in keys.values() for key in values))


def _cell(value: HeaderValue) -> str:
    if isinstance(value, bool):
        return "T" if value else "F"
    return "" if value is None else "".join(char if char.isprintable() else " " for char in str(value)).strip()


def _value(cell: str, old: HeaderValue) -> HeaderValue:
    if cell == _cell(old):
        return old
    if not cell.strip():
        return None
    if isinstance(old, bool) or not isinstance(old, int | float):
        return cell.strip()
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell.strip()
