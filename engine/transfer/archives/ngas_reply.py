"""What an NG/AMS server answers: the XML status document, read without trusting it.

Layout and message codes: the NGAS page, sections 1, 3 and 5.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from xml.parsers import expat

from engine.errors import ArchiveTrouble
from engine.transfer.archives.protocol import Closed, Refused

LONGEST = 4 << 20  # bytes of an answer we read
CRC32 = frozenset({"crc32", "crc32z", "ngamsGenCrc32", "StreamCrc32"})
ABSENT = "NGAMS_ER_UNAVAIL_FILE"
OK = "NGAMS_INFO_FILE_OK"
_CODE = re.compile(r"NGAMS_[A-Z0-9_]+")
_DISK = ("No disk volumes", "NGAMS_AL_NO_STO_SETS")
_FAULT = ("Unknown mime type", "NGAMS_ER_UNKNOWN_MIME_TYPE", "NGAMS_ER_MISSING_URI", "NGAMS_ER_ILL_REQ", "Command not")


class Away(ArchiveTrouble):
    """The archive can take nothing at the moment: down, offline, full. The other files need not be tried."""


class Crowded(ArchiveTrouble):
    """The archive has too many requests in progress."""


class Unknown(ArchiveTrouble):
    """Nobody knows whether the file arrived: the answer was lost. It has to be asked for."""


@dataclass(frozen=True, slots=True)
class Held:
    """A file as the server describes it. Sizes in bytes; `crc32` is -1 where its checksum is another one or none."""

    file_id: str
    version: int
    size: int
    crc32: int
    variant: str
    compression: str
    disk: str
    host: str
    when: str
    good: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: HTTP code, SUCCESS or FAILURE ('' when there was no document), message, state, files."""

    http: int
    status: str = ""
    message: str = ""
    state: str = ""
    files: tuple[Held, ...] = ()

    @property
    def success(self) -> bool:
        """The server says that it did what it was asked for."""
        return self.http == 200 and self.status == "SUCCESS"

    @property
    def code(self) -> str:
        """The code at the beginning of the message, e.g. NGAMS_ER_UNAVAIL_FILE; '' when there is none."""
        match = _CODE.search(self.message)
        return match.group() if match else ""


def reply_of(http: int, body: bytes) -> Reply:
    """The answer; ArchiveTrouble when it is no status document, or one that is not to be trusted."""
    if http != 200 and not body.lstrip().startswith(b"<"):
        return Reply(http, message=" ".join(body[:200].decode("utf-8", "replace").split()))
    reading = _Reading()
    parser = expat.ParserCreate(_encoding(body))
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    parser.EntityDeclHandler = reading.entity
    parser.StartElementHandler = reading.start
    parser.EndElementHandler = reading.end
    try:
        parser.Parse(body, True)
    except expat.ExpatError as trouble:
        raise ArchiveTrouble(f"the archive's answer cannot be read: {trouble}") from trouble
    if reading.status is None:
        raise ArchiveTrouble("the archive's answer has no Status")
    status = reading.status
    host = _text(status, "HostId")
    return Reply(
        http,
        _text(status, "Status"),
        " ".join(_text(status, "Message").split())[:500],
        _text(status, "State"),
        tuple(_held(file, disk, host) for file, disk in reading.files),
    )


def _encoding(body: bytes) -> str | None:
    """The servers quote what they were given in ISO 8859-1 and do not say so."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return "iso-8859-1"
    return None


class _Reading:
    """Takes the elements that matter out of the document."""

    def __init__(self) -> None:
        self.path: list[str] = []
        self.disk: Mapping[str, str] = {}
        self.status: Mapping[str, str] | None = None
        self.files: list[tuple[Mapping[str, str], Mapping[str, str]]] = []

    def entity(self, *_: object) -> None:
        raise ArchiveTrouble("the archive's answer declares entities, which no status document does")

    def start(self, name: str, given: dict[str, str]) -> None:
        if not self.path and name != "NgamsStatus":
            raise ArchiveTrouble(f"the archive answered with '{name[:40]}', not with an NgamsStatus")
        self.path.append(name)
        if name == "Status" and len(self.path) == 2:
            if self.status is not None:
                raise ArchiveTrouble("the archive's answer has more than one Status")
            self.status = given
        elif name == "DiskStatus":
            self.disk = given
        elif name == "FileStatus":
            self.files.append((given, self.disk))

    def end(self, name: str) -> None:
        self.path.pop()
        if name == "DiskStatus":
            self.disk = {}


def _held(file: Mapping[str, str], disk: Mapping[str, str], host: str) -> Held:
    compression = _text(file, "Compression")
    compression = "" if compression.upper() in ("", "NONE") else compression
    return Held(
        file_id=_text(file, "FileId"),
        version=number(_text(file, "FileVersion")),
        size=number(_text(file, "UncompressedFileSize" if compression else "FileSize")),
        crc32=-1 if compression else crc_of(_text(file, "Checksum"), _text(file, "ChecksumPlugIn")),
        variant=_text(file, "ChecksumPlugIn"),
        compression=compression,
        disk=_text(disk, "DiskId"),
        host=_text(disk, "HostId") or host,
        when=_text(file, "IngestionDate"),
        good=_text(file, "FileStatus").strip("0") == "" and _text(file, "Ignore") in ("", "0"),
    )


def _text(given: Mapping[str, str], name: str) -> str:
    return given.get(name, "").strip()


def number(text: object) -> int:
    """A whole number that is not negative; -1 for anything else."""
    digits = str(text)
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 19 else -1


def crc_of(checksum: object, variant: object) -> int:
    """The CRC-32 that is meant, modulo 2**32 (old servers give it with a sign); -1 when it is none."""
    digits = str(checksum).removeprefix("-")
    if str(variant).rpartition(".")[2] not in CRC32 or not digits.isascii() or not digits.isdigit() or len(digits) > 10:
        return -1
    return int(str(checksum)) % (1 << 32)


def trouble_of(reply: Reply) -> ArchiveTrouble:
    """What an answer that is no success means (section 5): Refused, Closed, Away, Crowded, or worth another try."""
    said = reply.message or f"HTTP {reply.http}"
    if reply.http in (401, 403):
        return Closed(f"the archive does not let us in: {said}", remedy="see archive.user and archive.password_file")
    if reply.http == 503:
        return Crowded("the archive has too many requests in progress", remedy="it will be tried again")
    if any(word in said for word in _DISK):
        return Away(f"no disk space in the archive: {said}", remedy="tell the archive's operators")
    if "NGAMS_ER_IMPROPER_STATE" in said:
        return Away(f"the archive is not on-line: {said}", remedy="tell the archive's operators")
    if "NGAMS_ER_DAPI_BAD_FILE" in said:
        return Refused(f"the archive rejects its content: {said}")
    if reply.http in (404, 411) or 300 <= reply.http < 400 or any(word in said for word in _FAULT):
        return Refused(f"the archive does not understand: {said}", remedy="see archive.url and the server's settings")
    if reply.success:
        return ArchiveTrouble(f"the archive's answer does not describe the file: {said}")
    return ArchiveTrouble(f"the archive answers: {said}")
