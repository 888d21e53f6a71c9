"""Instructions under a name, to choose from: their form."""

from __future__ import annotations

from collections.abc import Mapping

from django import forms
from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from chat.fields import InstructionsField, cleaned_text
from chat.models import Preset


class PresetForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Of one preset, or (`preset` without a key) of a new one."""

    instructions = InstructionsField(label=gettext_lazy("Instructions"), required=True)

    class Meta:
        model = Preset
        fields = ("name", "instructions")
        labels = {"name": gettext_lazy("Name")}

    def __init__(self, preset: Preset, data: Mapping[str, object] | None = None) -> None:
        super().__init__(data, instance=preset, auto_id=f"preset-{preset.pk or 'new'}-%s")

    def clean_name(self) -> str:
        return free_name(self.cleaned_data["name"], self.instance)


def free_name(name: str, preset: Preset) -> str:
    """The name as it is kept; raises ValidationError where another preset of the person has it."""
    name = " ".join(cleaned_text(name).split())
    if Preset.objects.filter(owner_id=preset.owner_id, name=name).exclude(pk=preset.pk).exists():
        raise forms.ValidationError(_("You have another preset of this name. Choose a different one."))
    return name


def preset_forms(user: User, sent: PresetForm | None) -> list[PresetForm]:
    """Of each preset, and last of a new one; `sent` in the place of its own."""
    shown = [PresetForm(preset) for preset in Preset.objects.filter(owner=user)] + [PresetForm(Preset(owner=user))]
    return [sent if sent and sent.instance.pk == form.instance.pk else form for form in shown]
