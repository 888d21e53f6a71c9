"""What an uploaded file holds: JSON, or a zip of JSON. None of it is written to disk, no name in it is trusted."""

from __future__ import annotations

import codecs
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO

from django.utils.translation import gettext as _

from chat.transfer.elements import elements
from chat.transfer.errors import UnreadableFileError

MAX_UPLOAD_BYTES = 50_000_000
MAX_UNPACKED_BYTES = 500_000_000
MAX_ENTRIES = 50_000
ENTRY_MARK = b"PK\x01\x02"
"""Begins each line of a zip's table of contents."""
CHUNK_BYTES = 1 << 20

CHATGPT_NAME = re.compile(r"conversations([-_]\d+)?\.json")
MANIFEST = "manifest.json"


def conversations(file: IO[bytes]) -> Iterator[object]:
    """Everything in the file that may be a conversation. Raises UnreadableFileError."""
    file.seek(0)
    is_zip = file.read(2) == b"PK"
    file.seek(0)
    try:
        yield from _of_zip(file) if is_zip else _of_json(file)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:  # the file's fault
        raise UnreadableFileError(
            _("This zip file cannot be opened: it is damaged or encrypted. Choose it as you got it.")
        ) from error


def _of_json(file: IO[bytes]) -> Iterator[object]:
    return elements(codecs.getreader("utf-8-sig")(file).read)


def _of_zip(file: IO[bytes]) -> Iterator[object]:
    if _entry_marks(file) > MAX_ENTRIES:
        raise UnreadableFileError(
            _("This zip file has more than %(limit)d entries. Import its JSON files one by one.")
            % {"limit": MAX_ENTRIES}
        )
    with zipfile.ZipFile(file) as archive:
        entries = _chosen(archive.infolist())
        if sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
            raise UnreadableFileError(
                _("Unpacked, this zip file has more than %(limit)d MB. Import its JSON files one by one.")
                % {"limit": MAX_UNPACKED_BYTES // 1_000_000}
            )
        for entry in entries:
            with archive.open(entry) as member:
                yield from _of_json(member)


def _entry_marks(file: IO[bytes]) -> int:
    """How many entries there may be, before a table of millions is taken into memory."""
    count, tail = 0, b""
    file.seek(0)
    while chunk := file.read(CHUNK_BYTES):
        count += (tail + chunk).count(ENTRY_MARK)
        tail = chunk[1 - len(ENTRY_MARK) :]
    return count


def _chosen(entries: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """ChatGPT's conversations, if it is its zip; else all JSON but the manifest of our own."""
    named = [(PurePosixPath(entry.filename).name, entry) for entry in entries]
    of_chatgpt = [entry for name, entry in named if CHATGPT_NAME.fullmatch(name)]
    return of_chatgpt or [entry for name, entry in named if name.endswith(".json") and name != MANIFEST]
