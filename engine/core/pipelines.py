"""How pipelines and their rule files are called: by the name of the instrument, or by its first letters."""

from __future__ import annotations

import re

SHORT = 5  # letters: giraf
STANDIN = "stand-in pipeline"  # the name of the one that is built in


def pipeline_names(instrument: str) -> tuple[str, ...]:
    """The names a pipeline of this instrument may have, the whole one first (giraffe, giraf); none for no name."""
    name = instrument.lower()
    return tuple(dict.fromkeys((name, name[:SHORT]))) if re.fullmatch(r"[a-z0-9_]+", name) else ()
