"""Percentiles of how quick answers were, by nearest rank: of n values in order the one at place ⌈p·n/100⌉.

Reckoned here from one query's rows: the databases' own ways differ, and are slower on SQLite.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from inference.request import tokens_per_second
from inference.statistics.period import Bucket
from inference.statistics.selection import Selection

PERCENTILES = (50, 90, 99)

Percentiles = Mapping[Bucket, Mapping[int, float]]
"""By bucket, then by which percentile; a bucket without values is missing."""

ROWS_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Speeds:
    """`tokens_per_second` as inference.request defines it; both are of the generations that wrote a token."""

    first_token_seconds: Percentiles
    tokens_per_second: Percentiles
    median_first_token_seconds: float | None
    median_tokens_per_second: float | None


def speeds(selection: Selection) -> Speeds:
    waits: dict[Bucket, list[float]] = defaultdict(list)
    rates: dict[Bucket, list[float]] = defaultdict(list)
    columns = (selection.period.bucket_field, "first_token_seconds", "total_seconds", "completion_tokens")
    begun = selection.records.filter(first_token_seconds__isnull=False).values_list(*columns)
    for bucket, first_token_seconds, total_seconds, tokens in begun.iterator(ROWS_AT_ONCE):
        waits[bucket].append(first_token_seconds)
        rate = tokens_per_second(tokens, first_token_seconds, total_seconds)
        if rate is not None:
            rates[bucket].append(rate)
    return Speeds(_by_bucket(waits), _by_bucket(rates), _median(waits), _median(rates))


def nearest_rank(ordered: list[float], percent: int) -> float:
    return ordered[-(-percent * len(ordered) // 100) - 1]


def _by_bucket(values: dict[Bucket, list[float]]) -> Percentiles:
    for each in values.values():
        each.sort()
    return {
        bucket: {percent: nearest_rank(each, percent) for percent in PERCENTILES} for bucket, each in values.items()
    }


def _median(values: dict[Bucket, list[float]]) -> float | None:
    ordered = sorted(value for each in values.values() for value in each)
    return nearest_rank(ordered, 50) if ordered else None
