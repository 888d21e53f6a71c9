"""The list of conversations: pinned ones, then by day and month, newest first, a page at a time."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Q
from django.template.loader import render_to_string
from django.utils import formats, timezone
from django.utils.translation import gettext as _

from chat import trash
from chat.models import Conversation, ConversationQuerySet

PAGE_CONVERSATIONS = 30
PINNED_CONVERSATIONS = 100
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_MICROSECOND = 4_102_444_800_000_000
"""Of the year 2099: no address leads further."""


@dataclass(slots=True)
class Group:
    """Conversations under one heading; without a title they go on under the heading above them."""

    key: str
    title: str
    conversations: list[Conversation] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Place:
    """Between two conversations of the list: below the one that changed then and has this key."""

    updated_at: datetime
    pk: UUID

    def __str__(self) -> str:
        return f"{(self.updated_at - EPOCH) // timedelta(microseconds=1)}-{self.pk.hex}"

    @classmethod
    def read(cls, text: str) -> Place | None:
        """As an address has it; None for anything else."""
        match = re.fullmatch("([0-9]{1,16})-([0-9a-f]{32})", text)
        if not match:
            return None
        microseconds = min(int(match[1]), LAST_MICROSECOND)
        return cls(EPOCH + timedelta(microseconds=microseconds), UUID(match[2]))

    def below(self, conversations: ConversationQuerySet) -> ConversationQuerySet:
        is_below = Q(updated_at__lt=self.updated_at) | Q(updated_at=self.updated_at, pk__lt=self.pk)
        return conversations.filter(is_below)


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the list, and the place from which it goes on, if it does."""

    conversations: list[Conversation]
    end: Place | None


def page(conversations: ConversationQuerySet, start: Place | None = None) -> Page:
    """The next ones of these, newest first."""
    below = start.below(conversations) if start else conversations
    found = list(below.recent()[: PAGE_CONVERSATIONS + 1])
    shown = found[:PAGE_CONVERSATIONS]
    has_more = len(found) > len(shown)
    return Page(shown, Place(shown[-1].updated_at, shown[-1].pk) if has_more else None)


def _listed(user: AbstractBaseUser) -> ConversationQuerySet:
    return Conversation.objects.for_user(user).started().filter(is_archived=False)


def unpinned(user: AbstractBaseUser) -> ConversationQuerySet:
    return _listed(user).filter(is_pinned=False)


def archived(user: AbstractBaseUser) -> ConversationQuerySet:
    return Conversation.objects.for_user(user).started().filter(is_archived=True)


def context(user: AbstractBaseUser, current: Conversation | None) -> dict[str, object]:
    """What the sidebar shows: the beginning of the list, and what can be brought back."""
    pinned = list(_listed(user).filter(is_pinned=True).recent()[:PINNED_CONVERSATIONS])
    shown = page(unpinned(user))
    on_page = {conversation.pk for conversation in [*pinned, *shown.conversations]}
    groups = [Group("pinned", _("Pinned"), pinned), *_by_day(shown.conversations, with_today=True)]
    return {
        "groups": groups,
        "older": shown.end,
        "current": current,
        "is_unlisted": current is not None and current.pk not in on_page,
        "has_archived": archived(user).exists(),
        "waiting": trash.waiting(user),
    }


def older_context(user: AbstractBaseUser, start: Place, current: Conversation | None) -> dict[str, object]:
    """What stands below a place in the list."""
    shown = page(unpinned(user), start)
    groups = _by_day(shown.conversations)
    if groups and groups[0].key == _day_group(timezone.localdate(start.updated_at), timezone.localdate()).key:
        groups[0].title = ""
    return {"groups": groups, "older": shown.end, "current": current}


def top(conversation: Conversation) -> str:
    """The conversation as the first of its group, for every open page of it; cheap, however long the list is."""
    return _render("sidebar_top", item=conversation, current=conversation)


def item(conversation: Conversation) -> str:
    """The conversation as it is now, for a page that may have missed how it became the newest."""
    newer = (
        Conversation.objects.kept()
        .started()
        .filter(owner_id=conversation.owner_id, is_archived=False, updated_at__gt=conversation.updated_at)
    )
    if _is_today(conversation) and not conversation.is_archived and not newer.exists():
        return top(conversation)
    return _render("sidebar_item", item=conversation, current=conversation, is_oob=True)


def _is_today(conversation: Conversation) -> bool:
    return timezone.localdate(conversation.updated_at) >= timezone.localdate()


def _by_day(conversations: Iterable[Conversation], *, with_today: bool = False) -> list[Group]:
    today = timezone.localdate()
    groups = [_day_group(today, today)] if with_today else []
    for conversation in conversations:
        group = _day_group(timezone.localdate(conversation.updated_at), today)
        if not groups or groups[-1].key != group.key:
            groups.append(group)
        groups[-1].conversations.append(conversation)
    return groups


def _day_group(day: date, today: date) -> Group:
    """The (empty) group of a day: near ones by name, others by month."""
    days_ago = (today - day).days
    if days_ago <= 0:
        return Group("today", _("Today"))
    if days_ago == 1:
        return Group("yesterday", _("Yesterday"))
    if days_ago <= 7:
        return Group("week", _("Previous 7 days"))
    month = "F" if day.year == today.year else "F Y"
    return Group(f"{day:%Y-%m}", formats.date_format(day, month))


def _render(name: str, **values: object) -> str:
    return render_to_string(f"chat/fragments/{name}.html", values)
