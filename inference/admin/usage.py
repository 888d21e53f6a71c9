"""The usage page: what the model was used for, in plots, tables and CSV. No text of anybody."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import wraps
from urllib.parse import urlencode

from channels.db import database_sync_to_async
from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from inference.refusals import refusals
from inference.statistics.dashboard import SOURCE_NAMES, Draughtsman
from inference.statistics.export import pieces
from inference.statistics.period import Period, Span
from inference.statistics.selection import Selection

SPAN_NAMES: dict[Span, object] = {"day": _("Day"), "week": _("Week"), "month": _("Month")}
USUAL_SPAN: Span = "month"

View = Callable[[HttpRequest], HttpResponseBase]


class UsageForm(forms.Form):
    """The page's address. What is missing or unknown is the usual: this month, everybody, everything."""

    span = forms.ChoiceField(choices=list(SPAN_NAMES.items()), required=False, widget=forms.HiddenInput)
    date = forms.DateField(label=_("Date"), required=False, input_formats=["%Y-%m-%d"])
    user = forms.CharField(label=_("Person"), required=False)
    source = forms.ChoiceField(label=_("Source"), choices=[("", _("All")), *SOURCE_NAMES.items()], required=False)

    def clean_date(self) -> object:
        """Years at the calendar's ends have no neighbours."""
        chosen = self.cleaned_data["date"]
        return chosen if chosen and 2000 <= chosen.year <= 9000 else None

    def clean_user(self) -> int | None:
        name = self.cleaned_data["user"]
        if not name:
            return None
        person = get_user_model().objects.filter(username=name).first()
        if person is None:
            raise ValidationError(_("Nobody has this name: all people are shown."))
        return int(person.pk)

    def selection(self) -> Selection:
        self.is_valid()
        chosen = self.cleaned_data
        day = chosen.get("date") or timezone.localdate()
        span = next((name for name in SPAN_NAMES if name == chosen.get("span")), USUAL_SPAN)
        return Selection(Period.containing(day, span), chosen.get("user"), chosen.get("source") or "")


def for_usage_viewers(view: View) -> View:
    @wraps(view)
    def checked(request: HttpRequest) -> HttpResponseBase:
        if not request.user.has_perm("inference.view_usagerecord"):
            raise PermissionDenied
        return view(request)

    return checked


@never_cache
@require_safe
@for_usage_viewers
def usage(request: HttpRequest) -> HttpResponse:
    refusals.write()
    form = UsageForm(request.GET)
    selection = form.selection()
    period, today = selection.period, timezone.localdate()
    context = {
        "title": _("Usage"),
        "form": form,
        "period": period,
        "dashboard": Draughtsman(selection).dashboard(),
        "spans": [(name, _address(request, span=span), span == period.span) for span, name in SPAN_NAMES.items()],
        "previous": _address(request, date=period.previous.first),
        "next": _address(request, date=period.next.first) if period.next.first <= today else "",
        "is_filtered": selection.user_id is not None or bool(selection.source),
        "everything": _address(request, user="", source=""),
        "csv": _address(request, name="admin-usage-csv"),
        "time_zone": settings.TIME_ZONE,
    }
    return render(request, "admin/inference/usage.html", admin.site.each_context(request) | context)


@never_cache
@require_safe
@for_usage_viewers
def usage_csv(request: HttpRequest) -> StreamingHttpResponse:
    """The same selection."""
    refusals.write()
    selection = UsageForm(request.GET).selection()
    name = f"usage-{selection.period.first}-{selection.period.last}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(_streamed(pieces(selection)), content_type="text/csv; charset=utf-8", headers=headers)


async def _streamed(texts: Iterator[str]) -> AsyncIterator[str]:
    """A day at a time; the server does other things while the database counts."""
    following = database_sync_to_async(lambda: next(texts, None))
    while (text := await following()) is not None:
        yield text


def _address(request: HttpRequest, name: str = "admin-usage", **changed: object) -> str:
    """Of the page as it is, but for what is `changed`."""
    kept = {key: request.GET[key] for key in ("span", "date", "user", "source") if key in request.GET}
    query = {key: str(value) for key, value in (kept | changed).items() if value}
    return reverse(name) + (f"?{urlencode(query)}" if query else "")
