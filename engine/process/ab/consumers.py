"""Which ABs read a product: asked when one was made anew, or is to be retired."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from posixpath import basename

from engine.core.ab import AB
from engine.stores.abs import AbStore

_PRODUCT = re.compile(r"r\..+_\d{4}\.fits")


class Consumers:
    """The readers of products among the ABs of $DFO_AB_DIR, as they were when first asked."""

    def __init__(self, store: AbStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._known: dict[str, list[str]] | None = None

    def of(self, product: str) -> tuple[str, ...]:
        """Names of the ABs that read a product (by file name) or name it as a calibration. Blocking at first."""
        with self._lock:
            if self._known is None:
                self._known = {}
                for ab in AbStore(self._store.tree).load():
                    for name in products_read(ab):
                        self._known.setdefault(name, []).append(ab.name)
            return tuple(self._known.get(product, ()))


def products_read(ab: AB) -> Iterator[str]:
    """Names of the products of other ABs that an AB reads, each once."""
    paths = [entry.path for entry in ab.sof] + [calib.path for calib in ab.calibs]
    names = dict.fromkeys(name for path in paths if _PRODUCT.fullmatch(name := basename(path)))
    return iter(names)
