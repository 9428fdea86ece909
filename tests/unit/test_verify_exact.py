"""Verification is exact: astropy is the oracle for sums, hashlib for the digest."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.headers import sums
from engine.headers.cards import fold, ones_complement
from engine.headers.sums import FileSum
from engine.headers.verify import verify

TYPES = ("u1", ">i2", ">i4", ">i8", ">f4", ">f8")


def oracle(data: bytes) -> int:
    """The definition, word by word."""
    return fold(sum(int.from_bytes(data[at : at + 4], "big") for at in range(0, len(data), 4)))


def summed(path: Path, start: int, stop: int, digest: sums.Digest | None = None) -> int:
    file = os.open(path, os.O_RDONLY)
    try:
        return FileSum(file, digest).of(start, stop)
    finally:
        os.close(file)


def same(one: int, other: int) -> bool:
    """Equal as ones' complement numbers, where all ones is another zero."""
    return one % 0xFFFFFFFF == other % 0xFFFFFFFF


@given(st.integers(0, 2**32), st.integers(0, 40), st.integers(1, 60), st.sampled_from([b"", b"\0", b"\xff"]))
@settings(max_examples=60)
def test_the_sum_is_the_definition(
    tmp_path_factory: pytest.TempPathFactory, seed: int, skipped: int, blocks: int, filled: bytes
) -> None:
    data = filled * ((skipped + blocks) * 720 * 4) or numpy.random.default_rng(seed).bytes((skipped + blocks) * 2880)
    path = tmp_path_factory.mktemp("x") / "a"
    path.write_bytes(data)
    start, stop = skipped * 2880, (skipped + blocks) * 2880
    assert summed(path, start, stop) == oracle(data[start:stop]) == ones_complement(data[start:stop])


@pytest.mark.parametrize("size", [8, 2**20 - 8, 2**20, 2**20 + 8, 17 * 2**20 + 2880, 40 * 2**20])
@pytest.mark.parametrize("value", [0xFF, 0x80, None])
def test_no_carry_is_lost_in_large_parts(tmp_path: Path, size: int, value: int | None) -> None:
    data = (
        numpy.full(size, value, "u1") if value is not None else numpy.random.default_rng(7).integers(0, 256, size, "u1")
    )
    path = tmp_path / "a"
    path.write_bytes(data.tobytes())
    wanted = fold(int(data.view(">u4").sum(dtype="u8")))
    digest = hashlib.sha256()
    assert same(summed(path, 0, size), wanted)
    assert same(summed(path, 0, size, digest), wanted)
    assert digest.digest() == hashlib.sha256(data.tobytes()).digest()


def test_a_part_that_is_not_there_is_an_end_of_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(2880))
    for stop in (5760, 40 * 2**20):
        with pytest.raises(EOFError):
            summed(path, 0, stop)


def product(path: Path, seed: int, parts: list[tuple[str, int, int]]) -> Path:
    """A file with images of every type, a table, a compressed image and a long header."""
    random = numpy.random.default_rng(seed)
    primary = fits.PrimaryHDU(random.integers(0, 100, 7).astype(">i2") if seed % 2 else None)
    for i in range(parts[0][2]):
        primary.header[f"HIERARCH ESO TEST K{i}"] = (i, "number of the test")
    hdus: list[object] = [primary]
    for kind, width, cards in parts:
        pixels = random.integers(0, 255, (3, width)).astype(kind)
        image = fits.ImageHDU(pixels)
        for i in range(cards):
            image.header[f"HIERARCH ESO TEST K{i}"] = "x" * (i % 40)
        hdus.append(image)
    hdus.append(
        fits.BinTableHDU.from_columns(
            [
                fits.Column("A", "J", array=[1, 2, 3]),
                fits.Column("B", "PD()", array=numpy.array([[1.0], [1.0, 2.0], []], dtype=object)),
            ]
        )
    )
    hdus.append(fits.TableHDU.from_columns([fits.Column("A", "I4", array=[1, 2])]))
    hdus.append(fits.CompImageHDU(random.integers(0, 255, (40, 30)).astype(">i2")))
    fits.HDUList(hdus).writeto(path, checksum=True)
    return path


parts = st.lists(
    st.tuples(st.sampled_from(TYPES), st.integers(1, 900), st.sampled_from([0, 1, 25, 90])), min_size=1, max_size=3
)


@given(st.integers(0, 1000), parts, st.integers(0), st.integers(1, 255))
@settings(max_examples=25)
def test_what_astropy_writes_is_right_and_any_flipped_byte_is_found(
    tmp_path_factory: pytest.TempPathFactory, seed: int, parts: list[tuple[str, int, int]], at: int, flip: int
) -> None:
    path = product(tmp_path_factory.mktemp("x") / "a.fits", seed, parts)
    data = bytearray(path.read_bytes())
    found = verify(path, digest=True)
    assert (found.problems, found.size) == ((), len(data))
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    with fits.open(path) as hdus:
        assert found.hdus == len(hdus)
    data[at % len(data)] ^= flip
    path.write_bytes(data)
    damaged = verify(path, digest=True)
    assert damaged.problems
    assert damaged.sha256 in ("", hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("extra", [b"\0" * 2880, b"x", b"junk" * 5000])
def test_the_digest_holds_what_no_hdu_claims(tmp_path: Path, extra: bytes) -> None:
    path = product(tmp_path / "a.fits", 3, [("u1", 10, 0)])
    path.write_bytes(path.read_bytes() + extra)
    found = verify(path, digest=True)
    assert f"{len(extra)} bytes behind the last HDU" in found.problems
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_cut_anywhere_is_found(tmp_path: Path) -> None:
    path = product(tmp_path / "a.fits", 1, [("u1", 10, 90)])
    data = path.read_bytes()
    for size in range(1, len(data), 1500):
        path.write_bytes(data[:size])
        found = verify(path, digest=True)
        assert found.problems or size % 2880 == 0
        assert found.sha256 == hashlib.sha256(data[:size]).hexdigest()


def test_what_is_no_file_is_said_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.fits")
    (tmp_path / "dir.fits").mkdir()
    (tmp_path / "dangling.fits").symlink_to("nowhere")
    assert verify(tmp_path / "pipe.fits").problems == ("not a regular file",)
    assert verify(tmp_path / "dir.fits", digest=True).problems == ("not a regular file",)
    assert "cannot be opened" in verify(tmp_path / "dangling.fits").problems[0]


def test_a_link_is_as_good_as_its_file(tmp_path: Path) -> None:
    path = product(tmp_path / "a.fits", 1, [("u1", 10, 0)])
    (tmp_path / "b.fits").symlink_to(path.name)
    assert verify(tmp_path / "b.fits", digest=True) == verify(path, digest=True)


def test_a_file_that_grows_meanwhile_is_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = product(tmp_path / "a.fits", 1, [("u1", 10, 0)])
    read = FileSum.of

    def growing(self: FileSum, start: int, stop: int) -> int:
        with path.open("ab") as file:
            file.write(b"more")
        return read(self, start, stop)

    monkeypatch.setattr(FileSum, "of", growing)
    assert "it changed while it was read" in verify(path).problems
