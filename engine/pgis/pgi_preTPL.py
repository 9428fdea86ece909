"""pgi_preTPL (PRE_PLUGIN): for dpc ABs only, inputs in the order of their time stamps.

A deep cube inherits MJD-OBS of the first input, so the earliest exposure must come first in SOF_CONTENT,
and MCALIB follows (phoenix_instances_MUSE_DEEP). The page's other half, waiting for foreign tasks, is the gate.
"""

from __future__ import annotations

import re
from posixpath import basename

from engine.core.ab import AB

_STAMP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}[:.\d]*")


def prepare(ab: AB) -> AB:
    """The AB with its main inputs first and in time order, MCALIB in time order; any AB but a dpc one as it is."""
    if ab.tag != "dpc":
        return ab
    sof = ab.values("SOF_CONTENT")
    main = tuple(value for value in sof if value.split()[1] == ab.raw_type)
    others = [value for value in sof if value.split()[1] != ab.raw_type]
    ab = ab.with_values("SOF_CONTENT", [*_sorted(main, 0), *others])
    return ab.with_values("MCALIB", _sorted(ab.values("MCALIB"), 1))


def _sorted(values: tuple[str, ...], column: int) -> list[str]:
    """Lines with a stamp in their file name in time order; the others (static files) keep their places."""
    stamps = [_STAMP.search(basename(value.split()[column])) for value in values]
    # stamps are compared as labels: `23:57:321` (documented) is no time
    timed = iter(sorted((stamp[0], index) for index, stamp in enumerate(stamps) if stamp))
    return [values[next(timed)[1]] if stamp else value for value, stamp in zip(values, stamps, strict=True)]
