"""A link by which one person can make an account."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from inference.models import digest_of

SECRET_BYTES = 32


class InvitationState(models.TextChoices):
    OPEN = "open", _("open")
    USED = "used", _("used")
    REVOKED = "revoked", _("revoked")
    EXPIRED = "expired", _("expired")


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def with_secret(self, secret: str) -> InvitationQuerySet:
        return self.filter(digest=digest_of(secret))

    def open(self) -> InvitationQuerySet:
        return self.filter(used_at=None, revoked_at=None, expires_at__gt=timezone.now())


class Invitation(models.Model):
    """Valid once, until it expires. The secret in the link is not kept, so it is shown once."""

    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the secret, in hexadecimal.")
    name = models.CharField(_("name"), max_length=150, blank=True, help_text=_("For whom it is, as you call them."))
    email = models.EmailField(_("e-mail address"), blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("invited by"),
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    expires_at = models.DateTimeField(_("valid until"))
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    used_at = models.DateTimeField(_("used"), null=True, blank=True)
    used_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("used by"),
    )

    secret = ""
    """Known only where it was drawn just now."""

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")

    def __str__(self) -> str:
        return self.name or self.email or f"{self.created_at:%Y-%m-%d}"

    def draw_secret(self) -> None:
        """For a new invitation; nobody can find it out later."""
        self.secret = secrets.token_urlsafe(SECRET_BYTES)
        self.digest = digest_of(self.secret)

    @property
    def state(self) -> InvitationState:
        if self.used_at:
            return InvitationState.USED
        if self.revoked_at:
            return InvitationState.REVOKED
        return InvitationState.OPEN if self.expires_at > timezone.now() else InvitationState.EXPIRED

    @property
    def is_open(self) -> bool:
        return self.state is InvitationState.OPEN

    def claim(self) -> bool:
        """Whether it was still open: of several who try at once, one hears so."""
        return Invitation.objects.open().filter(pk=self.pk).update(used_at=timezone.now()) == 1
