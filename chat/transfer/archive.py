"""All conversations of a person as one zip: each as JSON and as Markdown, and a manifest."""

from __future__ import annotations

import json
import tempfile
import zipfile
from typing import IO

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.utils import timezone

from chat.models import Conversation
from chat.transfer.filenames import stem
from chat.transfer.formats import FORMATS
from chat.transfer.upload import MANIFEST

FORMAT = "localai-archive"
VERSION = 1
OLDEST_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
MEMORY_BYTES = 10_000_000
"""A larger zip is written to a file without a name, which the system forgets when it is closed."""


def write(owner: AbstractBaseUser | AnonymousUser) -> IO[bytes]:
    """The zip, from its beginning; whoever reads it closes it. It holds one conversation in memory at a time."""
    file = tempfile.SpooledTemporaryFile(MEMORY_BYTES)  # noqa: SIM115 - the caller closes it
    listed = []
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for number, conversation in enumerate(_oldest_first(owner), 1):
            name = f"{number:04d} {stem(str(conversation))}"
            _add(archive, name, conversation)
            listed.append(
                {"file": f"conversations/{name}.json", "id": str(conversation.pk), "title": conversation.title}
            )
        archive.writestr(MANIFEST, json.dumps(_manifest(listed), ensure_ascii=False, indent=1))
    file.seek(0)
    return file


def _oldest_first(owner: AbstractBaseUser | AnonymousUser) -> list[Conversation]:
    return list(Conversation.objects.for_user(owner).started().order_by("created_at", "pk"))


def _add(archive: zipfile.ZipFile, name: str, conversation: Conversation) -> None:
    for form in (FORMATS["json"], FORMATS["markdown"]):
        updated_at = max(timezone.localtime(conversation.updated_at).timetuple()[:6], OLDEST_ZIP_TIME)
        entry = zipfile.ZipInfo(f"conversations/{name}.{form.suffix}", updated_at)
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, form.write(conversation))


def _manifest(listed: list[dict[str, str]]) -> dict[str, object]:
    written_at = timezone.now().isoformat()
    return {"format": FORMAT, "version": VERSION, "written_at": written_at, "conversations": listed}
