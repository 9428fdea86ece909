"""pgi_phoenix_MUSE_postAB (FINAL_PLUGIN): new PRO.CATGs for the products of an AB.

The page says that it changes pro.catg, not to what: the table is `plugins.options.pgi_phoenix_MUSE_postAB`,
lines `<tag>.<PRO.CATG>: <new PRO.CATG>`, e.g. `dpc.DATACUBE_FINAL: DATACUBE_DEEP`. Its other task,
stream control, is the engine's.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.core.ab import AB


def finish(ab: AB, products: tuple[tuple[str, str], ...], options: Mapping[str, str]) -> Mapping[str, str]:
    """New PRO.CATG by product name, for products the table names."""
    return {name: options[f"{ab.tag}.{catg}"] for name, catg in products if f"{ab.tag}.{catg}" in options}
