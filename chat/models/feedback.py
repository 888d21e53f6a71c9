"""What a person thinks of an answer."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from chat.models.message import Message


class Rating(models.IntegerChoices):
    GOOD = 1, _("Good answer")
    BAD = -1, _("Bad answer")


class Feedback(models.Model):
    """At most one for each answer: its owner's, for the administrators to read."""

    message = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="feedback", primary_key=True)
    rating = models.SmallIntegerField(choices=Rating)
    note = models.TextField(blank=True, max_length=2000)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = verbose_name_plural = _("feedback")

    def __str__(self) -> str:
        return f"{self.get_rating_display()} ({self.message_id})"
