"""pgi_postSCI (POST_PLUGIN): pixel tables and products of scibasic go when nobody needs them any more.

The page: it "deletes obsolete PIXTABLES, deletes scibasic products" at the end of processAB. Here an AB calls the pixel
tables it has read spent: a `_sky` or `_pst` AB those of scibasic, a `_dpc` AB the reduced ones. The engine retires each
to the trash when the last AB that reads it is done, so an align or a second combination keeps it. The page's other
tasks (phoenixGetLogs, NUM_SAT and WDEL_MAX of preliminary products) are not done here.
"""

from __future__ import annotations

from posixpath import basename

from engine.core.ab import AB
from engine.pgi import Aftermath, Products

_SPENT = {
    "sky": ("PIXTABLE_SKY",),
    "pst": ("PIXTABLE_OBJECT", "PIXTABLE_SKY"),
    "dpc": ("PIXTABLE_REDUCED",),
}


def after(ab: AB, products: Products) -> Aftermath:
    """The pixel tables this AB has read, by name; static files are no pixel tables."""
    wanted = _SPENT.get(ab.tag, ())
    names = (basename(entry.path) for entry in ab.sof if entry.tag in wanted)
    return Aftermath(spent=tuple(name for name in dict.fromkeys(names) if name.startswith("r.")))
