"""The single fate of every product (decision 4): saved, deleted, or withheld, and why. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from config.schema import Saved, Settings
from engine.core.product import DELETE, MOVE, WITHHELD
from engine.release.move.survey import Found
from engine.release.standing import READY, Standing


class Fates:
    """The tables of config.moveProducts, asked about products of one MODE."""

    def __init__(
        self, settings: Settings, mode: str, standings: Mapping[str, Standing], withheld: Mapping[str, str]
    ) -> None:
        self.mode = mode
        self.rows = {row.raw_type: row for row in settings.move.raw_types if row.mode == mode}
        self._dropped = {(row.raw_type, row.catg) for row in settings.move.delete}
        self._standings = standings
        self._withheld = withheld
        self._plugin = settings.move.special_plugin

    def of(self, found: Found) -> tuple[str, str]:
        """The fate of one product, and why."""
        product = found.product
        standing = self._standings.get(product.ab)
        row = self.rows.get(product.raw_type)
        if standing is None:
            return WITHHELD, "it belongs to no AB of this MODE and DATE"
        if row is None:
            return WITHHELD, self.unconfigured(product.raw_type)
        if standing.standing != READY:
            return WITHHELD, f"{product.ab}: {standing.why}"
        name = Path(product.path).name
        if product.pipefile in self._withheld or name in self._withheld:
            return WITHHELD, f"{self._plugin}: {self._withheld.get(product.pipefile) or self._withheld.get(name, '')}"
        why = self.not_saved(row, product.catg)
        return (DELETE, why) if why else (MOVE, "")

    def not_saved(self, row: Saved, catg: str) -> str:
        """Why products of this category are not saved; '' when they are."""
        if row.save == "NONE":
            return f"SAVE_MODE of {row.raw_type} is NONE"
        if row.save == "SELECT" and {(row.raw_type, catg), (row.raw_type, "ALL")} & self._dropped:
            return f"DELETE {row.raw_type} {catg}"
        return ""

    def unconfigured(self, raw_type: str) -> str:
        """What is said of a raw type that section 2 does not name."""
        return f"RAW_TYPE {raw_type} of {self.mode} is not in config.moveProducts (move.raw_types)"
