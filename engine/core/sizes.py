"""How many, how many bytes, how long, as people say it."""

from __future__ import annotations


def size_text(size: int) -> str:
    """Bytes as people say them, e.g. `41.2 GB`."""
    number, unit = float(size), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if number < 1000 or unit == "TB":
            break
        number /= 1000
    return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"


def counted(number: int, one: str) -> str:
    """`1 file`, `1,200 files`: for words whose plural is made with an s."""
    return f"{number:,} {one}{'' if number == 1 else 's'}"


def time_text(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 05`, `2 d 04 h`."""
    minutes = round(seconds / 60)
    if seconds < 120:
        return f"{seconds:.0f} s"
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d}" if hours < 48 else f"{hours // 24} d {hours % 24:02d} h"
