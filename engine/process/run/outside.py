"""What ABs of other pools mean for those that wait for them."""

from __future__ import annotations

from config.tree import DfoTree
from engine.errors import BadAb
from engine.stores.abs import read


def outside(tree: DfoTree, name: str) -> str:
    """Why an AB of another pool holds those that wait for it; '' when it is done."""
    for place in (tree.ab / name, *tree.log.glob(f"*/{name}")):
        if place.is_file():
            try:
                other = read(place)
            except BadAb as trouble:
                return f"waits for {name}, which cannot be read: {trouble.what}"
            if other.status == "SUCCESSFUL":
                return ""
            return f"waits for {name} of {other.mode} {other.date}, which is {other.status}"
    return f"waits for {name}, which is in no pool of this account"
