"""The settings of one conversation: its instructions, effort and length of answers."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods
from django_htmx.http import trigger_client_event

from chat.fields import InstructionsField, MaxTokensField, bounds_of_length
from chat.models import Conversation, EffortChoice, Preferences, Preset
from chat.presets import free_name
from chat.requests import UserRequest

USUAL, OWN = "usual", "own"
TEMPLATES = {True: "chat/fragments/conversation_settings_saved.html", False: "chat/conversation_settings.html"}


class ConversationSettingsForm(forms.Form):
    """What the conversation has of its own; all else is as the person usually has it."""

    source = forms.ChoiceField(
        label=gettext_lazy("Instructions for the model"),
        choices=[(USUAL, gettext_lazy("As in my settings")), (OWN, gettext_lazy("Own ones, for this conversation"))],
        widget=forms.RadioSelect,
    )
    preset = forms.ChoiceField(label=gettext_lazy("Preset"), required=False)
    instructions = InstructionsField(label=gettext_lazy("Own instructions"))
    name = forms.CharField(label=gettext_lazy("Keep them as a preset, named"), max_length=80, required=False)
    # With what was shown beside it: the composer may have changed it meanwhile, in the same page.
    own_effort = forms.ChoiceField(label=gettext_lazy("Effort"), required=False, show_hidden_initial=True)
    max_tokens = MaxTokensField(label=gettext_lazy("Longest answer, in tokens"))

    def __init__(self, conversation: Conversation, usual: Preferences, data: QueryDict | None = None) -> None:
        initial = {
            "source": USUAL if conversation.instructions is None else OWN,
            "instructions": conversation.instructions,
            "own_effort": conversation.effort,
            "max_tokens": conversation.max_tokens,
        }
        super().__init__(data, auto_id="conversation-settings-%s", initial=initial)
        self.conversation, self.usual = conversation, usual
        self.presets = list(Preset.objects.filter(owner_id=conversation.owner_id).defer("instructions"))
        offered = [("", _("Choose a preset")), *((str(preset.pk), preset.name) for preset in self.presets)]
        cast(forms.ChoiceField, self.fields["preset"]).choices = offered
        effort = EffortChoice(usual.effort or settings.DEFAULT_REASONING_EFFORT).label
        efforts = [("", _("As in my settings (%(effort)s)") % {"effort": effort}), *EffortChoice.choices]
        cast(forms.ChoiceField, self.fields["own_effort"]).choices = efforts
        length = number_format(usual.max_tokens or settings.DEFAULT_MAX_TOKENS, force_grouping=True)
        self.fields["max_tokens"].help_text = _("%(least)s to %(most)s. Empty: as in my settings (%(usual)s).") % (
            bounds_of_length() | {"usual": length}
        )

    def clean_name(self) -> str:
        return free_name(self.cleaned_data["name"], Preset(owner_id=self.conversation.owner_id))

    def clean(self) -> None:
        super().clean()
        if self.cleaned_data.get("name") and not self.cleaned_data.get("instructions", "").strip():
            self.add_error("name", _("Write the instructions first: an empty preset is of no use."))

    @property
    def is_marked(self) -> bool:
        """Whether the model is told anything else here than usually."""
        own = self.conversation.instructions
        return own is not None and own.strip() != self.usual.instructions.strip()

    def fill(self) -> None:
        """Take the text of the chosen preset, unsaved."""
        chosen = next((preset for preset in self.presets if str(preset.pk) == self.data.get("preset")), None)
        if chosen is None:
            self.add_error("preset", _("Choose a preset first."))
            return
        data = cast(QueryDict, self.data).copy()
        data["source"], data["instructions"] = OWN, chosen.instructions
        self.data = data

    def save(self) -> None:
        """What a valid form says; the effort only where it was changed."""
        conversation, values = self.conversation, self.cleaned_data
        conversation.instructions = values["instructions"] if values["source"] == OWN else None
        conversation.max_tokens = values["max_tokens"]
        changed = ["instructions", "max_tokens"]
        if "own_effort" in self.changed_data:
            conversation.effort = values["own_effort"]
            changed.append("effort")
        conversation.save(update_fields=changed)
        if values["name"]:
            Preset.objects.create(
                owner_id=conversation.owner_id, name=values["name"], instructions=values["instructions"]
            )


@login_required
@require_http_methods(["GET", "POST"])
def conversation_settings(request: UserRequest, pk: UUID) -> HttpResponse:
    """The panel, for htmx; without it a page of its own, and the way back after saving."""
    shown = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk)
    if request.method == "GET":
        return _answer(request, ConversationSettingsForm(shown, request.preferences))
    form = ConversationSettingsForm(shown, request.preferences, request.POST)
    if request.POST.get("do") == "fill":
        form.fill()
        return _answer(request, form, status=422 if form.errors else 200)
    if not form.is_valid():
        return _answer(request, form, status=422)
    form.save()
    if request.htmx:
        fresh = ConversationSettingsForm(shown, request.preferences)
        return _answer(request, fresh, is_saved=True, has_new_effort="own_effort" in form.changed_data)
    return redirect(shown)


def _answer(request: UserRequest, form: ConversationSettingsForm, *, status: int = 200, **saved: bool) -> HttpResponse:
    context = {
        **saved,
        "conversation": form.conversation,
        "settings_form": form,
        "is_open": True,
        "efforts": EffortChoice.choices,
        "effort": form.conversation.current_effort(),
    }
    response = render(request, TEMPLATES[bool(request.htmx)], context, status=status)
    return trigger_client_event(response, "conversation-settings") if saved else response
