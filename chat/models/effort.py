"""How long the model thinks, as people choose it."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from inference.messages import Effort


class EffortChoice(models.TextChoices):
    LOW = Effort.LOW.value, _("Low")
    MEDIUM = Effort.MEDIUM.value, _("Medium")
    HIGH = Effort.HIGH.value, _("High")
