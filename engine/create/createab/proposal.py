"""One AB before it is decided whether it will be written: what it is made of."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from engine.create.createab.predict import Predicted
from engine.create.oca.associate import Associated
from engine.create.oca.frame import Frame
from engine.create.oca.organise import Group
from engine.create.oca.reading import Reading

TAGS = Reading().tags
_TAG = re.compile(r"[^a-z0-9]")
_UNSAFE = re.compile(r"[^A-Za-z0-9_.:+\-]")


@dataclass(frozen=True)
class Proposal:
    """An AB: its name and identity, the group it is made of, what was associated, what it will make.

    `raws` are the raw files, whose first names the AB; those of the parents where the group holds products.
    `number` in its name is above 1 where another action took the same name before. `late` are raw files that the rules
    put into the same group, and that the AB as it stands does not have: it is settled, and stays as it is.
    """

    name: str
    action: str
    level: int
    mode: str
    date: str
    group: Group
    raws: tuple[Frame, ...]
    found: Associated
    products: tuple[Predicted, ...]
    late: tuple[Frame, ...] = ()

    @property
    def stem(self) -> str:
        """The AB's name without `.ab`."""
        return self.name.removesuffix(".ab")

    @property
    def root(self) -> str:
        """PROD_ROOT_NAME."""
        return f"r.{self.stem}"

    @property
    def primary(self) -> Frame:
        """The first file of the group, which all associations refer to."""
        return self.group.primary

    @property
    def raw_type(self) -> str:
        """RAW_TYPE, also the directory of the products."""
        return raw_type_of(self.primary)

    @property
    def prod_path(self) -> str:
        """PROD_PATH: where the products will be."""
        return f"$DFS_PRODUCT/{self.raw_type}/{self.date}"

    @property
    def complete(self) -> bool:
        """True when every association found what it needs."""
        return not self.found.shortages

    def product_name(self, product: Predicted) -> str:
        """The name a product will have until it is renamed."""
        return f"{self.root}_{product.number:04d}.fits"

    def virtuals(self) -> tuple[Frame, ...]:
        """Its products as frames of the next level: the header of the primary with what the product will have."""
        own = {"DFOS.AB": self.name, "DFOS.MODE": self.mode, "DFOS.DATE": self.date, "DFOS.RAWTYPE": self.raw_type}
        return tuple(
            Frame(
                f"{self.prod_path}/{self.product_name(product)}",
                {**self.primary.header, **own, **dict(product.keys), "PRO.CATG": product.catg},
                virtual=True,
            )
            for product in self.products
        )


def mode_of(frame: Frame) -> str:
    """CALIB or SCIENCE: CATG where the rules set it, else DPR.CATG; '' for what belongs to neither (acquisition).

    What an instrument measures of itself (TECHNICAL, TEST) is calibration, where an action takes it.
    """
    word = frame.overlay.get("CATG")
    catg = str(word if word in ("CALIB", "SCIENCE") else frame.header.get("DPR.CATG", "")).strip()
    return {"TECHNICAL": "CALIB", "TEST": "CALIB"}.get(catg, catg if catg in ("CALIB", "SCIENCE") else "")


def tag_of(frame: Frame) -> str:
    """The tag of a file in the SOF: DO.CLASS, else DO.CATG, REFLEX.CATG, PRO.CATG; '' where nobody gives it one."""
    for key in TAGS:
        value = frame.get(key)
        if value is not None and str(value).strip():
            return "_".join(str(value).split())
    return ""


def raw_type_of(frame: Frame) -> str:
    """RAW.TYPE of the rules, else the tag of the file; safe as the name of a directory."""
    word = str(frame.overlay.get("RAW.TYPE") or tag_of(frame) or "UNCLASSIFIED").strip()
    return _UNSAFE.sub("_", word).lstrip(".-") or "UNCLASSIFIED"


def names(root: str, tag: str) -> Iterable[str]:
    """The names an AB may have: the one of its first file and tag, then, where another action has that, `2`, `3`..."""
    plain = _TAG.sub("", tag.lower())
    for number in range(1, 1000):
        end = plain if number == 1 else f"{plain}{number}"
        yield f"{root}_{end}.ab" if end else f"{root}.ab"
