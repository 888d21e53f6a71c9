"""The settings page: how a person likes the site, and what they usually tell the model."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import translation
from django.utils.formats import number_format
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from chat.accounts import second_factor
from chat.accounts.entering import previous_login
from chat.fields import InstructionsField, MaxTokensField, bounds_of_length
from chat.models import Conversation, EffortChoice, Preferences, Preset
from chat.models.preferences import Theme
from chat.presets import PresetForm, preset_forms
from chat.requests import UserRequest
from inference.daily_limits import limits_of, used_today


class PreferencesForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    max_tokens = MaxTokensField(label=gettext_lazy("Longest answer, in tokens"))
    instructions = InstructionsField(
        label=gettext_lazy("Instructions for the model"),
        help_text=gettext_lazy("The model is told this in every conversation that has none of its own."),
    )

    class Meta:
        model = Preferences
        fields = ("effort", "max_tokens", "instructions", "theme", "language")
        labels = {
            "effort": gettext_lazy("Effort"),
            "theme": gettext_lazy("Colours"),
            "language": gettext_lazy("Language"),
        }
        help_texts = {"effort": gettext_lazy("How much the model thinks before it answers."), "language": ""}

    def __init__(self, data: object, instance: Preferences) -> None:
        super().__init__(data, instance=instance)  # type: ignore[arg-type]
        usual = EffortChoice(settings.DEFAULT_REASONING_EFFORT).label
        choices: dict[str, list[tuple[str, str]]] = {
            "effort": [("", _("The site's default (%(effort)s)") % {"effort": usual}), *_texts(EffortChoice.choices)],
            "theme": _texts(Theme.choices),
            "language": [("", _("As the browser asks")), *settings.LANGUAGES],
        }
        for name, offered in choices.items():
            self.fields[name] = forms.ChoiceField(
                choices=offered,
                required=False,
                label=self.fields[name].label,
                help_text=self.fields[name].help_text,
            )
        self.fields["max_tokens"].help_text = _("%(least)s to %(most)s. Empty: the site's default (%(usual)s).") % (
            bounds_of_length() | {"usual": number_format(settings.DEFAULT_MAX_TOKENS, force_grouping=True)}
        )


def _texts(choices: Sequence[tuple[object, object]]) -> list[tuple[str, str]]:
    return [(str(value), str(label)) for value, label in choices]


@login_required
@require_http_methods(["GET", "POST"])
def preferences(request: UserRequest) -> HttpResponse:
    form = PreferencesForm(request.POST if request.method == "POST" else None, copy(request.preferences))
    if not form.is_bound or not form.is_valid():
        return page(request, preferences=form)
    chosen = form.save()
    translation.activate(chosen.language or translation.get_language_from_request(request))
    messages.success(request, _("Your settings are saved."))
    return redirect(address(request))


@login_required
@require_POST
def theme(request: UserRequest) -> HttpResponse:
    """The quick switch: the button that comes back makes the page change its colours."""
    chosen = request.POST.get("theme")
    if chosen in Theme.values:
        Preferences.objects.update_or_create(user=request.user, defaults={"theme": chosen})
        request.preferences.theme = chosen
    if request.htmx:
        return render(request, "chat/fragments/theme.html", {"is_fresh": True})
    return redirect(_referring_page(request))


@login_required
@require_POST
def preset(request: UserRequest, pk: int | None = None) -> HttpResponse:
    """Save it; without a key as a new one."""
    changed = _preset(request, pk) if pk else Preset(owner=request.user)
    form = PresetForm(changed, request.POST)
    if not form.is_valid():
        return page(request, preset=form)
    form.save()
    messages.success(request, _("The preset “%(name)s” is saved.") % {"name": changed.name})
    return redirect(address(request))


@login_required
@require_POST
def delete_preset(request: UserRequest, pk: int) -> HttpResponse:
    """The page that follows can bring it back."""
    deleted = _preset(request, pk)
    deleted.delete()
    request.session["deleted_preset"] = {"name": deleted.name, "instructions": deleted.instructions}
    return redirect(address(request))


def _preset(request: UserRequest, pk: int) -> Preset:
    return get_object_or_404(Preset.objects.filter(owner=request.user), pk=pk)


def _referring_page(request: UserRequest) -> str:
    referrer = request.headers.get("Referer", "")
    is_ours = url_has_allowed_host_and_scheme(referrer, {request.get_host()}, require_https=request.is_secure())
    return referrer if is_ours else reverse("chat:home")


def page(
    request: UserRequest, preferences: PreferencesForm | None = None, preset: PresetForm | None = None
) -> HttpResponse:
    """The whole page; `preferences` or `preset` is the form that was sent, if it was refused."""
    is_refused = any(form is not None and form.errors for form in (preferences, preset))
    context = {
        "form": preferences or PreferencesForm(None, request.preferences),
        "presets": preset_forms(request.user, preset),
        "deleted": request.session.pop("deleted_preset", None),
        "back": _back(request),
        "can_send_email": settings.CAN_SEND_EMAIL,
        "previous_login": previous_login(request.session),
        "has_second_factor": second_factor.is_on(request.user),
        "used": used_today(request.user.pk),
        "limits": limits_of(request.user.pk),
    }
    return render(request, "chat/settings.html", context, status=400 if is_refused else 200)


def address(request: UserRequest) -> str:
    """Of the page, from which one gets back to the same conversation."""
    back = _back(request)
    return reverse("chat:settings") + (f"?back={back.pk}" if back else "")


def _back(request: UserRequest) -> Conversation | None:
    """The conversation from which the person came."""
    try:
        pk = UUID(request.GET.get("back", ""))
    except ValueError:
        return None
    return Conversation.objects.for_user(request.user).filter(pk=pk).first()
