"""What people may send, from page and socket alike."""

from __future__ import annotations

from collections.abc import Mapping

from django import forms
from django.conf import settings
from django.utils.formats import number_format
from django.utils.translation import gettext_lazy as _

from chat.models import Conversation, EffortChoice
from chat.orders import Ask, Continue, Order, Regenerate
from inference.messages import Effort
from inference.vocabulary import without_lone_surrogates

CHARACTERS_PER_CONTEXT_TOKEN = 32


def max_prompt_characters() -> int:
    return int(max(64_000, CHARACTERS_PER_CONTEXT_TOKEN * settings.MAX_CONTEXT_TOKENS))


class PromptForm(forms.Form):
    """A prompt and the effort to answer it with, if it is to be another one than before.

    The length in characters is only a bound on work: the exact one, in tokens, is Harmony's.
    """

    prompt = forms.CharField(
        strip=False,
        error_messages={"required": _("Write something first.")},
    )
    effort = forms.TypedChoiceField(
        choices=EffortChoice.choices,
        coerce=Effort,
        required=False,
        empty_value=None,
        error_messages={"invalid_choice": _("The effort is %(value)r; it must be low, medium or high.")},
    )

    key = forms.CharField(max_length=64, required=False)
    edits = forms.IntegerField(required=False, error_messages={"invalid": _("The edited prompt is not known.")})

    def order(self) -> Ask:
        """Of a valid form."""
        data = self.cleaned_data
        return Ask(data["prompt"], data["effort"], data["key"], data["edits"])

    def clean_key(self) -> str:
        return without_lone_surrogates(self.cleaned_data["key"])

    def clean_prompt(self) -> str:
        prompt = without_lone_surrogates(self.cleaned_data["prompt"].replace("\r\n", "\n"))
        limit = max_prompt_characters()
        if self.fields["prompt"].required and not prompt.strip():
            raise forms.ValidationError(_("Write something first."))
        if len(prompt) > limit:
            numbers = {"count": len(prompt), "limit": limit}
            raise forms.ValidationError(
                _("This prompt is too long: it has %(count)s characters, at most %(limit)s are read. Shorten it."),
                params={name: number_format(number, force_grouping=True) for name, number in numbers.items()},
            )
        return prompt

    def error_text(self) -> str:
        return error_text(self)


class DraftForm(PromptForm):
    """A prompt that is still being written."""

    prompt = forms.CharField(strip=False, required=False)


class ActionForm(forms.Form):
    """What can be done about a message. `with` is the effort to regenerate it with."""

    ORDERS = ("continue", "answer-now", "regenerate")

    action = forms.ChoiceField(choices=[(name, name) for name in (*ORDERS, "stop", "version", "earlier", "retry")])
    message = forms.IntegerField(min_value=1, max_value=2**63 - 1, required=False)

    def __init__(self, data: Mapping[str, object]) -> None:
        super().__init__(data)
        self.fields["with"] = forms.ChoiceField(choices=EffortChoice.choices, required=False)

    def clean(self) -> dict[str, object]:
        cleaned = super().clean() or {}
        if cleaned.get("message") is None and cleaned.get("action") != "retry":
            raise forms.ValidationError(_("There is no such message."))
        return cleaned

    def order(self) -> Order:
        """Of a valid form whose action is one of ORDERS."""
        message, effort = self.cleaned_data["message"], self.cleaned_data["with"]
        if self.cleaned_data["action"] == "regenerate":
            return Regenerate(message, Effort(effort) if effort else None)
        return Continue(message, answers_now=self.cleaned_data["action"] == "answer-now")

    def error_text(self) -> str:
        return error_text(self)


def error_text(form: forms.Form) -> str:
    return " ".join(str(error) for errors in form.errors.values() for error in errors)


class RenameForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    class Meta:
        model = Conversation
        fields = ("title",)
        error_messages = {
            "title": {
                "required": _("Give it a title."),
                "max_length": _("A title has at most 200 characters."),
            }
        }

    def __init__(self, data: Mapping[str, object] | None, instance: Conversation) -> None:
        super().__init__(data, instance=instance)
        self.fields["title"].required = True
