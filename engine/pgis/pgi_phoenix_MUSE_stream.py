"""pgi_phoenix_MUSE_stream (JOB_PGI): the multi-stream job plan of a MUSE pool.

Rank by rank, each in as many streams as its kind allows (phoenix_instances_MUSE_DEEP). The plan is what the
operator sees before the start; the engine itself starts an AB as soon as its own parents are done.
"""

from __future__ import annotations

from engine.core.ab import AB
from engine.core.cascade import Kind, kind_of

_NO_RANK = 1_000_000


def plan(abs: tuple[AB, ...], kinds: tuple[Kind, ...], streams: int) -> tuple[str, ...]:
    """A heading per rank and kind, then one line per stream with the ABs it takes, in order."""
    groups: dict[tuple[int, str], list[AB]] = {}
    widths: dict[str, int] = {}
    for ab in abs:
        kind = kind_of(ab, kinds)
        rank, name = (kind.rank, kind.name) if kind else (_NO_RANK, f"unknown kind ({ab.recipe})")
        widths[name] = min(kind.streams, streams) if kind else 1
        groups.setdefault((rank, name), []).append(ab)
    lines: list[str] = []
    for (rank, name), group in sorted(groups.items(), key=lambda item: item[0]):
        width = min(widths[name], len(group))
        place = "last" if rank == _NO_RANK else f"rank {rank}"
        word = "stream" if width == 1 else "streams"
        lines.append(f"{place}: {name}, {len(group)} ABs in {width} {word}")
        for stream in range(width):
            names = " ".join(ab.name for ab in group[stream::width])
            lines.append(f"  stream {stream + 1}: {names}")
    return tuple(lines)
