"""pgi_phoenix_MUSE_postQC (PGI_COVER and QC_FINAL_PLUGIN): what the pipeline warned of, and a coversheet for cubes.

The page: it shows warnings and errors of the pipeline log in the last column of the AB monitor, and provides the
HTML coversheet for combined cubes. The wording is ours.
"""

from __future__ import annotations

from collections import Counter

from engine.core.ab import AB
from engine.pgi import QcSeen

_SHOWN = 160  # characters of the first line


def cover(ab: AB, products: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """For a combined cube: its target and run, what was combined, and how."""
    if not any(catg.startswith("DATACUBE") for _, catg in products):
        return ()
    tags = Counter(entry.tag for entry in ab.sof)
    inputs = ", ".join(f"{count} {tag}" for tag, count in tags.items())
    field = "crowded field" if ab.crowded else "normal field"
    return tuple(
        filter(
            None,
            (f"target {ab.target}, run {ab.run_id}" if ab.target else "", f"made of {inputs}" if inputs else "", field),
        )
    )


def concluded(ab: AB, seen: QcSeen) -> tuple[str, ...]:
    """How many ERROR and WARNING lines the pipeline log has, and the first one."""
    if not seen.log:
        return ()
    errors = [line for line in seen.log if "ERROR" in line]
    warnings = [line for line in seen.log if "ERROR" not in line]
    counts = [f"{len(lines)} {name}" for name, lines in (("ERROR", errors), ("WARNING", warnings)) if lines]
    first = (errors or warnings)[0].partition("] ")[2].strip()
    return (f"{', '.join(counts)}: {first}"[:_SHOWN],)
