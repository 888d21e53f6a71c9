"""How one person likes the site, and what they usually tell the model."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from chat.models.effort import EffortChoice


class Theme(models.TextChoices):
    SYSTEM = "", _("As the system")
    LIGHT = "light", _("Light")
    DARK = "dark", _("Dark")


class Preferences(models.Model):
    """One row for each person who has changed anything; an empty value leaves the site's default."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="preferences", primary_key=True
    )
    effort = models.CharField(max_length=6, choices=EffortChoice, blank=True)
    max_tokens = models.PositiveIntegerField(null=True, blank=True, help_text="Output tokens of one answer.")
    instructions = models.TextField(blank=True, help_text="For the model, in every conversation without its own.")
    theme = models.CharField(max_length=5, choices=Theme, blank=True)
    language = models.CharField(max_length=10, blank=True, help_text="Empty: what the browser asks for.")

    class Meta:
        verbose_name_plural = "preferences"

    def __str__(self) -> str:
        return f"Preferences of {self.user}"


class Preset(models.Model):
    """Instructions under a name, to choose from in a conversation."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="presets")
    name = models.CharField(max_length=80)
    instructions = models.TextField()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="preset_name_is_unique")]

    def __str__(self) -> str:
        return self.name
