"""All plots and totals of one selection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from inference.models import RefusalReason, Source
from inference.request import CUT_OFF, Outcome
from inference.statistics import counts
from inference.statistics.counts import Counts, Person
from inference.statistics.percentiles import PERCENTILES, Percentiles, Speeds, speeds
from inference.statistics.plots import Plot, Series, decimal, percent, whole
from inference.statistics.selection import Selection

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as Text

LISTED_PEOPLE = 100
DRAWN_PEOPLE = 5

SOURCE_NAMES: dict[str, Text] = {
    Source.CHAT: _("Chat"),
    Source.COMMAND: _("Command line"),
    Source.GENERATE: "/api/generate",
    Source.CHAT_COMPLETIONS: "/v1/chat/completions",
    Source.RESPONSES: "/v1/responses",
}
OUTCOME_NAMES: dict[str, tuple[Text, str]] = {
    Outcome.COMPLETE: (_("Complete"), "first"),
    Outcome.LENGTH: (_("Cut off for length"), "second"),
    Outcome.STOPPED: (_("Stopped"), "third"),
    CUT_OFF: (_("Interrupted"), "fourth"),
    Outcome.FAILED: (_("Failed"), "bad"),
}
COLOURS = ("first", "second", "third", "fourth", "fifth", "rest")


@dataclass(frozen=True, slots=True)
class Dashboard:
    totals: Counts
    speeds: Speeds
    refused: int
    people: Sequence[Person]
    others: Counts | None
    """What those beyond `people` had, where there are more."""
    plots: Sequence[Plot]

    @property
    def is_empty(self) -> bool:
        return not self.totals.generations and not self.refused


class Draughtsman:
    """Draws a selection's figures, each from one query."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._buckets = selection.period.buckets
        self._counts = counts.by_bucket(selection)
        self._refused = counts.refused(selection)
        self._speeds = speeds(selection)
        self._people = counts.people(selection, LISTED_PEOPLE)

    def dashboard(self) -> Dashboard:
        totals, listed = Counts(), Counts()
        for each in self._counts.values():
            totals += each
        for person in self._people:
            listed += person.counts
        plots = [
            self._outcomes(),
            self._tokens(),
            *self._by_person(),
            self._thinking(),
            self._percentiles(
                "waits", _("Time to the first token"), _("In seconds."), self._speeds.first_token_seconds
            ),
            self._percentiles(
                "rates", _("Tokens per second"), _("After the first token."), self._speeds.tokens_per_second
            ),
            self._refusals(),
            self._truncated(),
        ]
        refused = sum(sum(by_bucket.values()) for by_bucket in self._refused.values())
        others = _difference(totals, listed) if totals.generations > listed.generations else None
        return Dashboard(totals, self._speeds, refused, self._people, others, plots)

    def _outcomes(self) -> Plot:
        series = [
            Series(name, colour, [each.outcomes[outcome] for each in self._counts.values()])
            for outcome, (name, colour) in OUTCOME_NAMES.items()
        ]
        return self._plot("outcomes", _("Generations"), _("By how they ended."), series)

    def _tokens(self) -> Plot:
        each = self._counts.values()
        series = [
            Series(_("Prompt"), "third", [counted.prompt_tokens for counted in each]),
            Series(_("Thinking"), "second", [counted.thinking_tokens for counted in each]),
            Series(_("Answer"), "first", [counted.answer_tokens for counted in each]),
        ]
        return self._plot("tokens", _("Tokens"), _("By what they were for."), series)

    def _by_person(self) -> list[Plot]:
        if len(self._people) < 2:
            return []
        drawn = self._people[:DRAWN_PEOPLE]
        theirs = counts.by_person(self._selection, drawn)
        return [
            self._plot(
                "people-generations",
                _("Generations by person"),
                _("Those with the most, and all others."),
                self._people_series(drawn, theirs, lambda counted: counted.generations),
            ),
            self._plot(
                "people-tokens",
                _("Tokens by person"),
                _("Of the same people, prompts included."),
                self._people_series(drawn, theirs, lambda counted: counted.tokens),
            ),
        ]

    def _people_series(
        self, drawn: Sequence[Person], theirs: counts.ByPerson, value: Callable[[Counts], int]
    ) -> list[Series]:
        series = [
            Series(
                person.name or _("No account"),
                colour,
                [value(theirs[person.user_id].get(bucket, Counts())) for bucket in self._buckets],
            )
            for person, colour in zip(drawn, COLOURS, strict=False)
        ]
        rest = [
            value(self._counts[bucket]) - sum(each.values[place] or 0 for each in series)
            for place, bucket in enumerate(self._buckets)
        ]
        return [*series, Series(_("Others"), "rest", rest)] if any(rest) else series

    def _thinking(self) -> Plot:
        values = [each.thinking_percent for each in self._counts.values()]
        description = _("How much of what the model wrote was thinking.")
        series = [Series(_("Thinking"), "second", values)]
        return self._plot("thinking", _("Share of thinking"), description, series, percent, is_line=True)

    def _percentiles(self, key: str, title: Text, description: Text, values: Percentiles) -> Plot:
        series = [
            Series(f"p{place}", colour, [values.get(bucket, {}).get(place) for bucket in self._buckets])
            for place, colour in zip(PERCENTILES, COLOURS, strict=False)
        ]
        return self._plot(key, title, description, series, decimal, is_line=True)

    def _refusals(self) -> Plot:
        names = {RefusalReason.BUSY: (_("Busy"), "third"), RefusalReason.LIMIT: (_("Daily limit"), "bad")}
        series = [
            Series(name, colour, [self._refused[reason][bucket] for bucket in self._buckets])
            for reason, (name, colour) in names.items()
        ]
        return self._plot("refusals", _("Refusals"), _("Before anything was generated."), series)

    def _truncated(self) -> Plot:
        series = [Series(_("Shortened"), "fourth", [each.truncated for each in self._counts.values()])]
        description = _("Conversations whose earliest turns no longer fitted.")
        return self._plot("truncated", _("Shortened prompts"), description, series)

    def _plot(
        self,
        key: str,
        title: Text,
        description: Text,
        series: Sequence[Series],
        shown: Callable[[float | None], str] = whole,
        *,
        is_line: bool = False,
    ) -> Plot:
        period = self._selection.period
        return Plot(
            key=key,
            title=title,
            description=description,
            kind="lines" if is_line else "bars",
            names=[period.bucket_name(bucket) for bucket in self._buckets],
            labels=[period.axis_label(bucket) for bucket in self._buckets],
            series=series,
            shown=shown,
            bucket_heading=_("Hour") if period.span == "day" else _("Day"),
        )


def _difference(minuend: Counts, subtrahend: Counts) -> Counts:
    return counts.counts_in({name: getattr(minuend, name) - getattr(subtrahend, name) for name in counts.SUMS})
