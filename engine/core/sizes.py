"""How many, how many bytes, as people say it."""

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
