"""A conversation: a tree of messages, and the path through it that the page shows.

An edited prompt or a regenerated answer is a sibling of the old one. The path leads from the root to
the conversation's `leaf`.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from chat.models.effort import EffortChoice
from chat.models.message import Message
from chat.models.preferences import Preferences

TITLE_CHARACTERS = 60
PAGE_MESSAGES = 20
"""So many are shown at first; earlier ones are fetched as they are wanted, `EARLIER_MESSAGES` at a time."""
EARLIER_MESSAGES = 60
MOST_MESSAGES = 300
"""So many a page is served with at most, whatever it asks for."""


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def kept(self) -> ConversationQuerySet:
        """Without those that were deleted and wait, for a moment, for Undo."""
        return self.filter(deleted_at=None)

    def for_user(self, user: AbstractBaseUser | AnonymousUser) -> ConversationQuerySet:
        return self.kept().filter(owner_id=user.pk) if user.is_authenticated else self.none()

    def started(self) -> ConversationQuerySet:
        """Those with at least one message; an empty one is not history yet."""
        return self.filter(leaf__isnull=False)

    def recent(self) -> ConversationQuerySet:
        return self.order_by("-updated_at", "-pk")

    def blank_for(self, user: AbstractBaseUser) -> Conversation:
        """The user's unused conversation, made if there is none."""
        blank = self.kept().filter(owner_id=user.pk, leaf__isnull=True).recent().first()
        return blank or self.create(owner_id=user.pk)


class Conversation(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="conversations")
    title = models.CharField(max_length=200, blank=True)
    effort = models.CharField(max_length=6, choices=EffortChoice, blank=True)
    max_tokens = models.PositiveIntegerField(null=True, blank=True, help_text="None: the person's own default.")
    instructions = models.TextField(  # noqa: DJ001 - an empty text means none, which is not the default
        null=True, blank=True, help_text="For the model. None: the person's own default."
    )
    leaf = models.ForeignKey("chat.Message", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now, db_index=True)
    is_pinned = models.BooleanField(default=False)
    is_archived = models.BooleanField(default=False)
    deleted_at = models.DateTimeField(null=True, blank=True, help_text="Since when it waits for Undo.")

    objects = ConversationQuerySet.as_manager()

    usual: Preferences | None = None
    """What its owner usually has, where that is known already: it need not be asked for again."""

    class Meta:
        verbose_name = _("conversation")
        verbose_name_plural = _("conversations")
        indexes = [models.Index(fields=["owner", "-updated_at"])]

    def __str__(self) -> str:
        return self.title or gettext("New conversation")

    def get_absolute_url(self) -> str:
        return reverse("chat:conversation", args=[self.pk])

    def path(self, to: int | None = None) -> list[Message]:
        """The shown messages, oldest first, or those down to message `to`; token ids are left in the database."""
        path, versions = self._path_keys(to)
        return self._load(path, versions, 0)

    def page(self, first: int | None = None) -> list[Message]:
        """The end of the path: as much as a page shows at once; from message `first` on, if that is not too far up."""
        path, versions = self._path_keys()
        start = max(0, len(path) - PAGE_MESSAGES)
        if first in path:
            start = min(start, max(path.index(first), len(path) - MOST_MESSAGES))
        return self._part(path, versions, start, len(path))

    def passage(self, first: int) -> list[Message]:
        """From message `first` on as much as is read at once, if it is farther up than a page reaches."""
        path, versions = self._path_keys()
        start = path.index(first) if first in path else len(path)
        is_far = start < len(path) - MOST_MESSAGES
        return self._part(path, versions, start, start + EARLIER_MESSAGES) if is_far else []

    def earlier(self, before: int) -> list[Message]:
        """The part of the path that a page shows next above message `before`."""
        path, versions = self._path_keys()
        end = path.index(before) if before in path else 0
        start = max(0, end - EARLIER_MESSAGES)
        return self._part(path, versions, start, end)

    def version(self, through: int | None, first: int | None) -> list[Message]:
        """Of the path through message `through` down to the newest, else of the shown one, as much as is read at once.

        From message `first` on; else its end.
        """
        path, versions = self._path_keys(through)
        while through and path and path[-1] in versions:
            path.append(versions[path[-1]][-1])
        if not path:
            path, versions = self._path_keys()
        start = path.index(first) if first in path else max(0, len(path) - EARLIER_MESSAGES)
        part = self._part(path, versions, start, start + EARLIER_MESSAGES)
        if part and start + EARLIER_MESSAGES < len(path):
            part[-1].later = path[start + EARLIER_MESSAGES]
        return part

    def _part(self, path: list[int], versions: dict[int | None, list[int]], start: int, end: int) -> list[Message]:
        part = self._load(path[start:end], versions, start)
        if start and part:
            part[0].earlier = path[max(0, start - EARLIER_MESSAGES)]
        return part

    def _path_keys(self, to: int | None = None) -> tuple[list[int], dict[int | None, list[int]]]:
        """The path's keys, oldest first, and those of each message's children; cheap, however long it is."""
        parents: dict[int, int | None] = dict(self.messages.order_by("pk").values_list("pk", "parent_id"))
        versions: dict[int | None, list[int]] = {}
        for key, parent in parents.items():
            versions.setdefault(parent, []).append(key)
        path = []
        at = to or self.leaf_id
        while at is not None and at in parents:
            path.append(at)
            at = parents[at]
        return path[::-1], versions

    def _load(self, keys: Sequence[int], versions: dict[int | None, list[int]], start: int) -> list[Message]:
        loaded = self.messages.without_token_ids().select_related("feedback").in_bulk(keys)
        messages = [loaded[key] for key in keys if key in loaded]
        for position, message in enumerate(messages, start):
            message.position = position
            message.set_versions(versions[message.parent_id])
        return messages

    def current_effort(self) -> str:
        """Its own, else the person's default, else the site's."""
        return self.effort or self._preferences().effort or str(settings.DEFAULT_REASONING_EFFORT)

    def current_max_tokens(self) -> int:
        """Output tokens of one answer."""
        return self.max_tokens or self._preferences().max_tokens or int(settings.DEFAULT_MAX_TOKENS)

    def current_instructions(self) -> str:
        return self._preferences().instructions if self.instructions is None else self.instructions

    def _preferences(self) -> Preferences:
        return self.usual or Preferences.objects.filter(pk=self.owner_id).first() or Preferences()
