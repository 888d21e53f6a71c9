"""A file of conversations into a person's history.

The whole file is read once before anything is saved, so that nothing of a broken one is. Then conversations
are saved some at a time: each in whole, and answers that run meanwhile can still be saved. What was imported
before is left as it is, so an import that was cut off is simply done again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO

from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chat.room import NoRoomError
from chat.transfer import chatgpt, document, open_webui, saving, upload, values
from chat.transfer.draft import Draft
from chat.transfer.errors import FullError, UnreadableError, UnreadableFileError

BATCH_MESSAGES = 500
BATCH_CONVERSATIONS = 100
LISTED_PROBLEMS = 20

Reader = Callable[[Mapping[str, object]], Draft]

READERS: list[tuple[Callable[[Mapping[str, object]], bool], Reader]] = [
    (document.is_mine, document.read),
    (chatgpt.is_mine, chatgpt.read),
    (open_webui.is_mine, open_webui.read),
]


@dataclass(slots=True)
class Report:
    """What became of a file's conversations."""

    imported: int = 0
    present: int = 0
    unreadable: int = 0
    problems: list[str] = field(default_factory=list)
    """Of the first unreadable ones: title and reason."""

    def note(self, title: str, error: UnreadableError) -> None:
        self.unreadable += 1
        if len(self.problems) < LISTED_PROBLEMS:
            self.problems.append(_("“%(title)s”: %(reason)s") % {"title": title, "reason": error})


def import_file(owner: AbstractBaseUser, file: IO[bytes]) -> Report:
    """Raises UnreadableFileError."""
    _check(file)
    report = Report()
    batch: list[Draft] = []
    for draft in _drafts(file, report):
        batch.append(draft)
        if len(batch) >= BATCH_CONVERSATIONS or sum(len(each.messages) for each in batch) >= BATCH_MESSAGES:
            _save(owner, batch, report)
            batch = []
    _save(owner, batch, report)
    return report


def _check(file: IO[bytes]) -> None:
    """Read the file to its end. Raises UnreadableFileError if it is broken, or no export."""
    known = False
    for element in upload.conversations(file):
        known = known or _reader(values.mapping(element)) is not None
    if not known:
        raise UnreadableFileError(
            _("There are no conversations in this file. Choose an export of LocalAI, ChatGPT or Open WebUI.")
        )


def _drafts(file: IO[bytes], report: Report) -> Iterator[Draft]:
    for number, element in enumerate(upload.conversations(file), 1):
        entry = values.mapping(element)
        try:
            yield _draft(entry)
        except UnreadableError as error:
            title = values.line(entry.get("title"), 60)
            report.note(title or _("Conversation %(number)d") % {"number": number}, error)


def _draft(entry: Mapping[str, object]) -> Draft:
    reader = _reader(entry)
    if reader is None:
        raise UnreadableError(_("it is no conversation"))
    draft = reader(entry)
    if not draft.messages:
        raise UnreadableError(_("it has no messages"))
    draft.source_id = draft.source_id or _fingerprint(entry)
    return draft


def _reader(entry: Mapping[str, object]) -> Reader | None:
    return next((read for is_mine, read in READERS if is_mine(entry)), None)


def _fingerprint(entry: Mapping[str, object]) -> str:
    """A name for what has none. Raises UnreadableError for brackets within brackets, too deep to be written again."""
    try:
        return hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()
    except RecursionError as error:  # the file's fault
        raise UnreadableError(_("it is no conversation")) from error


def _save(owner: AbstractBaseUser, batch: list[Draft], report: Report) -> None:
    try:
        imported = saving.save(owner, batch) if batch else 0
    except NoRoomError as error:
        saved = ngettext(
            "%(count)d conversation of the file was imported before.",
            "%(count)d conversations of the file were imported before.",
            report.imported,
        )
        raise FullError(f"{error} {saved % {'count': report.imported}}") from error
    report.imported += imported
    report.present += len(batch) - imported
