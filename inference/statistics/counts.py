"""Sums over the generations of a selection: by bucket, by person, and what was refused."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.contrib.auth import get_user_model
from django.db.models import Count, F, Q, Sum

from inference.statistics.period import Bucket
from inference.statistics.selection import Selection

SUMS = {
    "generations": Count("pk"),
    "prompt_tokens": Sum("prompt_tokens"),
    "thinking_tokens": Sum("thinking_tokens"),
    "answer_tokens": Sum("answer_tokens"),
    "truncated": Count("pk", filter=Q(dropped_turns__gt=0)),
}


@dataclass(slots=True)
class Counts:
    """`truncated`: prompts of which earlier turns were left out. Tokens of frames around messages are not counted."""

    generations: int = 0
    prompt_tokens: int = 0
    thinking_tokens: int = 0
    answer_tokens: int = 0
    truncated: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)

    def __iadd__(self, other: Counts) -> Counts:
        for name in SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.outcomes += other.outcomes
        return self

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.thinking_tokens + self.answer_tokens

    @property
    def thinking_percent(self) -> float | None:
        """Of what the model wrote; None where it wrote nothing."""
        written = self.thinking_tokens + self.answer_tokens
        return 100 * self.thinking_tokens / written if written else None


@dataclass(frozen=True, slots=True)
class Person:
    """`user_id` is None for commands, and for accounts that are gone."""

    user_id: int | None
    name: str
    counts: Counts


ByPerson = Mapping[int | None, Mapping[Bucket, Counts]]


def by_bucket(selection: Selection) -> dict[Bucket, Counts]:
    """For every bucket of the period, the empty ones too."""
    bucket = selection.period.bucket_field
    counts = {each: Counts() for each in selection.period.buckets}
    for row in selection.records.values(bucket, "outcome").order_by().annotate(**SUMS):
        counts[row[bucket]] += counts_in(row)
        counts[row[bucket]].outcomes[row["outcome"]] += row["generations"]
    return counts


def people(selection: Selection, most: int) -> list[Person]:
    """Those with the most generations, most first."""
    grouped = selection.records.values("user").annotate(**SUMS).order_by(F("generations").desc(), "user")[:most]
    counts: dict[int | None, Counts] = {row["user"]: counts_in(row) for row in grouped}
    names = get_user_model().objects.in_bulk([pk for pk in counts if pk is not None])
    return [Person(pk, names[pk].get_username() if pk in names else "", each) for pk, each in counts.items()]


def by_person(selection: Selection, shown: Sequence[Person]) -> ByPerson:
    """Theirs alone, by bucket."""
    bucket = selection.period.bucket_field
    theirs = Q(user__in=[person.user_id for person in shown if person.user_id is not None])
    if any(person.user_id is None for person in shown):
        theirs |= Q(user=None)
    counts: dict[int | None, dict[Bucket, Counts]] = defaultdict(dict)
    for row in selection.records.filter(theirs).values("user", bucket).order_by().annotate(**SUMS):
        counts[row["user"]][row[bucket]] = counts_in(row)
    return counts


def refused(selection: Selection) -> dict[str, Counter[Bucket]]:
    """By reason, then by bucket."""
    bucket = selection.period.bucket_field
    counts: dict[str, Counter[Bucket]] = defaultdict(Counter)
    for row in selection.refusals.values("reason", bucket).order_by().annotate(refused=Sum("count")):
        counts[row["reason"]][row[bucket]] = row["refused"]
    return counts


def counts_in(row: Mapping[str, object]) -> Counts:
    """What a query with SUMS gave, without the outcomes."""
    counts = Counts()
    for name in SUMS:
        setattr(counts, name, row[name])
    return counts
