"""Pages for conversations as files: export of one and of all, import."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import closing
from typing import IO
from uuid import UUID

from asgiref.sync import sync_to_async
from django import forms
from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.db import DatabaseError
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods

from chat.models import Conversation
from chat.requests import UserRequest
from chat.transfer import archive, importing
from chat.transfer.errors import UnreadableFileError
from chat.transfer.filenames import stem
from chat.transfer.formats import FORMATS
from chat.transfer.upload import MAX_UPLOAD_BYTES

logger = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 16


class ImportForm(forms.Form):
    file = forms.FileField(
        allow_empty_file=True,  # it is refused with the rest of what holds no conversations
        error_messages={
            "required": gettext_lazy("Choose a file first."),
            "missing": gettext_lazy("Choose a file first."),
            "invalid": gettext_lazy("Choose a file first."),
        },
    )

    def clean_file(self) -> UploadedFile[bytes]:
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        if (file.size or 0) > MAX_UPLOAD_BYTES:
            sizes = {"size": -(-(file.size or 0) // 1_000_000), "limit": MAX_UPLOAD_BYTES // 1_000_000}
            raise forms.ValidationError(
                _(
                    "This file has %(size)d MB; at most %(limit)d MB are read. "
                    "Zip it or, if it is a zip, import the JSON files in it one by one."
                )
                % sizes
            )
        return file


@login_required
@require_GET
def export(request: UserRequest, pk: UUID, form: str) -> HttpResponse:
    conversation = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk)
    if form not in FORMATS:
        raise Http404
    chosen = FORMATS[form]
    name = f"{stem(str(conversation))}.{chosen.suffix}"
    headers = {"Content-Disposition": str(content_disposition_header(True, name))}
    return HttpResponse(chosen.write(conversation), content_type=chosen.content_type, headers=headers)


@login_required
@require_GET
async def export_all(request: UserRequest) -> StreamingHttpResponse:
    file = await sync_to_async(archive.write)(await request.auser())
    name = f"LocalAI {timezone.localdate().isoformat()}.zip"
    headers = {"Content-Disposition": str(content_disposition_header(True, name))}
    return StreamingHttpResponse(_chunks(file), content_type="application/zip", headers=headers)


async def _chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    with closing(file):
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk


@login_required
@require_http_methods(["GET", "POST"])
def import_file(request: UserRequest) -> HttpResponse:
    """The form on a page of its own; with htmx the form alone, wherever it stands."""
    if request.method == "GET":
        return render(request, "chat/transfer.html")
    form = ImportForm(request.POST, request.FILES)
    context = _imported(request, form) if form.is_valid() else {"import_error": form.errors["file"][0]}
    template = "chat/fragments/your_data.html" if request.htmx else "chat/transfer.html"
    return render(request, template, context, status=422 if "import_error" in context else 200)


def _imported(request: UserRequest, form: ImportForm) -> dict[str, object]:
    try:
        return {"report": importing.import_file(request.user, form.cleaned_data["file"].file)}
    except UnreadableFileError as error:
        return {"import_error": str(error)}
    except DatabaseError:
        logger.exception("An import could not be saved.")
        text = _("The import was cut off, because something could not be saved. Import the same file again to go on.")
        return {"import_error": text}
