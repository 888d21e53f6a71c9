"""The usage page: its figures equal an independent count, it uses indices, and only those see it who may."""

from __future__ import annotations

import csv
import io
import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from itertools import pairwise
from typing import cast

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.http import StreamingHttpResponse
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from inference.models import ApiKey, Refusal, RefusalReason, Source, UsageRecord
from inference.request import CUT_OFF, Outcome
from inference.statistics import counts, plots
from inference.statistics.dashboard import Dashboard, Draughtsman
from inference.statistics.export import harmless, pieces
from inference.statistics.percentiles import nearest_rank
from inference.statistics.period import Bucket, Period, Span
from inference.statistics.selection import Selection

DAY = date(2026, 3, 11)
PAGE = "/admin/usage/"
CSV = "/admin/usage/csv/"


@pytest.fixture(autouse=True)
def quick(settings: Settings, static_files: None) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def viewer(client: Client, db: None) -> Client:
    person = User.objects.create_user("vera", is_staff=True)
    person.user_permissions.add(Permission.objects.get(codename="view_usagerecord"))
    client.force_login(person)
    return client


@pytest.fixture
def records(db: None) -> list[UsageRecord]:
    """A few hundred generations of two months, by eight people and by nobody."""
    draw = random.Random(6)
    people = [User.objects.create(username=f"person{number}") for number in range(8)]
    first = datetime(2026, 2, 15, tzinfo=UTC)
    return UsageRecord.objects.bulk_create(_record(draw, first, draw.choice([*people, None])) for _ in range(600))


def _record(draw: random.Random, first: datetime, user: User | None) -> UsageRecord:
    at = first + timedelta(days=draw.random() * 50)
    thinking, answer = draw.randrange(200), draw.choice([0, draw.randrange(400)])
    wait = draw.choice([None, draw.random() * 3])
    return UsageRecord(
        created_at=at,
        day=at.date(),
        hour=at.hour,
        user=user,
        source=draw.choice(Source.values),
        prompt_tokens=draw.randrange(2000),
        thinking_tokens=thinking,
        answer_tokens=answer,
        completion_tokens=thinking + answer + draw.randrange(9),
        dropped_turns=draw.choice([0, 0, 0, 2]),
        first_token_seconds=wait,
        total_seconds=(wait or 0) + draw.choice([0.01, draw.random() * 20]),
        outcome=draw.choice([*Outcome, CUT_OFF]),
    )


SELECTIONS = [
    ("month", None, ""),
    ("week", None, ""),
    ("day", None, ""),
    ("month", "person3", ""),
    ("week", None, Source.CHAT.value),
    ("month", "person1", Source.RESPONSES.value),
]


@pytest.fixture(params=SELECTIONS, ids=lambda each: "-".join(str(part) for part in each))
def selection(request: pytest.FixtureRequest, records: list[UsageRecord]) -> Selection:
    span, name, source = request.param
    user_id = User.objects.get(username=name).pk if name else None
    return Selection(Period.containing(DAY, span), user_id, source)


def chosen(records: Iterable[UsageRecord], selection: Selection) -> list[UsageRecord]:
    return [
        record
        for record in records
        if selection.period.first <= record.day <= selection.period.last
        and selection.user_id in (None, record.user_id)
        and selection.source in ("", record.source)
    ]


def bucket_of(record: UsageRecord, selection: Selection) -> Bucket:
    return record.hour if selection.period.span == "day" else record.day


def test_figures_equal_an_independent_count(records: list[UsageRecord], selection: Selection) -> None:
    found = chosen(records, selection)
    assert found
    for bucket, counted in counts.by_bucket(selection).items():
        here = [record for record in found if bucket_of(record, selection) == bucket]
        assert_counts(counted, here)
        assert counted.outcomes == Counter(record.outcome for record in here)
    people = counts.people(selection, most=100)
    assert [person.counts.generations for person in people] == sorted(
        Counter(record.user_id for record in found).values(), reverse=True
    )
    drawn = counts.by_person(selection, people[:3])
    for person in people:
        theirs = [record for record in found if record.user_id == person.user_id]
        assert_counts(person.counts, theirs)
        for bucket, counted in drawn.get(person.user_id, {}).items():
            assert_counts(counted, [record for record in theirs if bucket_of(record, selection) == bucket])
    assert set(drawn) == {person.user_id for person in people[:3]}


def assert_counts(counted: counts.Counts, records: list[UsageRecord]) -> None:
    assert counted.generations == len(records)
    assert counted.prompt_tokens == sum(record.prompt_tokens for record in records)
    assert counted.thinking_tokens == sum(record.thinking_tokens for record in records)
    assert counted.answer_tokens == sum(record.answer_tokens for record in records)
    assert counted.truncated == sum(record.dropped_turns > 0 for record in records)


def test_percentiles_equal_an_independent_count(records: list[UsageRecord], selection: Selection) -> None:
    waits: dict[Bucket, list[float]] = defaultdict(list)
    rates: dict[Bucket, list[float]] = defaultdict(list)
    for record in chosen(records, selection):
        if record.first_token_seconds is not None:
            bucket, seconds = bucket_of(record, selection), record.total_seconds - record.first_token_seconds
            waits[bucket].append(record.first_token_seconds)
            if record.completion_tokens >= 2 and seconds > 0.05:
                rates[bucket].append((record.completion_tokens - 1) / seconds)
    speeds = Draughtsman(selection).dashboard().speeds
    assert speeds.first_token_seconds == {bucket: ranked(values) for bucket, values in waits.items()}
    assert speeds.tokens_per_second == {bucket: ranked(values) for bucket, values in rates.items()}
    every = [value for values in waits.values() for value in values]
    assert speeds.median_first_token_seconds == ranked(every)[50]


def ranked(values: list[float]) -> dict[int, float]:
    """The least value that so many percent of all do not exceed."""
    return {
        percent: min(
            value for value in values if sum(other <= value for other in values) * 100 >= percent * len(values)
        )
        for percent in (50, 90, 99)
    }


def test_a_percentile_of_few_values() -> None:
    assert nearest_rank([7.0], 99) == 7.0
    assert [nearest_rank([1.0, 2.0, 3.0, 4.0], percent) for percent in (50, 90)] == [2.0, 4.0]


def test_csv_has_the_same_figures(records: list[UsageRecord], selection: Selection) -> None:
    rows = list(csv.DictReader(io.StringIO("".join(pieces(selection)))))
    found = chosen(records, selection)
    assert len(rows) == len({(record.day, record.user_id, record.source) for record in found})
    for column in ("prompt_tokens", "thinking_tokens", "answer_tokens"):
        assert sum(int(row[column]) for row in rows) == sum(getattr(record, column) for record in found)
    assert sum(int(row["generations"]) for row in rows) == len(found)
    for outcome in (*Outcome, CUT_OFF):
        assert sum(int(row[outcome]) for row in rows) == sum(record.outcome == outcome for record in found)


def test_cells_are_no_formulas() -> None:
    assert [harmless(cell) for cell in ("=1+1", "+1", "-1", "@x", "\t=1", "ann-1")] == [
        "'=1+1", "'+1", "'-1", "'@x", "'\t=1", "ann-1",
    ]  # fmt: skip


@pytest.mark.django_db(transaction=True)
async def test_csv_is_streamed_over_days_without_a_line(viewer: Client, records: list[UsageRecord]) -> None:
    await User.objects.acreate(username="=cmd")
    record = replace_day(records[0], date(2026, 6, 30), await User.objects.aget(username="=cmd"))
    await record.asave()
    reader = AsyncClient()
    await reader.aforce_login(await User.objects.aget(username="vera"))
    response = cast(StreamingHttpResponse, await reader.get(CSV, {"span": "month", "date": "2026-06-15"}))
    assert response["Content-Disposition"] == 'attachment; filename="usage-2026-06-01-2026-06-30.csv"'
    text = b"".join([part async for part in response]).decode()
    assert [row["user"] for row in csv.DictReader(io.StringIO(text))] == ["'=cmd"]


def replace_day(record: UsageRecord, day: date, user: User) -> UsageRecord:
    record.pk, record.day, record.user = None, day, user
    return record


def test_refusals_are_shown_by_reason_and_exported(viewer: Client) -> None:
    person = User.objects.get(username="vera")
    for reason, count in ((RefusalReason.BUSY, 3), (RefusalReason.LIMIT, 4)):
        Refusal.objects.create(day=DAY, hour=9, user=person, source=Source.CHAT, reason=reason, count=count)
    selection = Selection(Period.containing(DAY, "day"))
    dashboard = Draughtsman(selection).dashboard()
    assert dashboard.refused == 7
    (plot,) = (plot for plot in dashboard.plots if plot.key == "refusals")
    assert plot.rows[9][1] == ["3", "4"]
    (row,) = csv.DictReader(io.StringIO("".join(pieces(selection))))
    assert (row["user"], row["refused_busy"], row["refused_limit"], row["generations"]) == ("vera", "3", "4", "0")


def test_every_query_of_the_page_uses_an_index(viewer: Client, records: list[UsageRecord]) -> None:
    for query in ("span=month", "span=day", "span=week&user=person3", "span=month&source=chat&user=person1"):
        with CaptureQueriesContext(connection) as captured:
            assert viewer.get(f"{PAGE}?{query}&date={DAY}").status_code == 200
            "".join(pieces(Selection(Period.containing(DAY, "week"))))
        asked = [each["sql"] for each in captured.captured_queries if re.search(r"usagerecord|refusal", each["sql"])]
        assert len(asked) >= 6
        for sql in asked:
            assert_indexed(sql)


def assert_indexed(sql: str) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")  # or tables as small as these are read as a whole
        cursor.execute(("EXPLAIN " if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN ") + sql)
        plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
    assert not re.search(r"SCAN (inference_\w+|auth_user)(?! USING)|Seq Scan", plan), f"{sql}\n{plan}"
    assert re.search(r"SEARCH inference_\w+ USING|Index", plan), f"{sql}\n{plan}"


def test_the_page_asks_few_questions(viewer: Client, records: list[UsageRecord]) -> None:
    with CaptureQueriesContext(connection) as captured:
        viewer.get(f"{PAGE}?span=month&date={DAY}")
    asked = [each for each in captured.captured_queries if "inference_" in each["sql"]]
    assert len(asked) == 5


def test_the_page_tells_figures_and_nothing_said(viewer: Client, records: list[UsageRecord]) -> None:
    selection = Selection(Period.containing(DAY, "month"))
    page = viewer.get(f"{PAGE}?span=month&date={DAY}").content.decode()
    assert "March 2026" in page
    assert f"<dd>{len(chosen(records, selection))}</dd>" in page
    assert page.count('<svg viewBox="0 0 480 210" role="img"') == 8
    assert "style=" not in page
    assert "<script>" not in page
    earlier, later = re.findall(r'<a href="([^"]+)" rel="(?:prev|next)"', page)
    assert "date=2026-02-01" in earlier
    assert "date=2026-04-01" in later


def test_the_page_says_so_where_there_is_nothing(viewer: Client) -> None:
    page = viewer.get(PAGE).content.decode()
    assert "Nothing was generated in this time." in page
    assert 'rel="next"' not in page


@pytest.mark.parametrize(
    "query", ["span=year", "date=x", "date=9999-12-31", "date=0001-01-01", "user=%00", "user=nobody", "source=x"]
)
def test_an_unknown_choice_is_the_usual(viewer: Client, query: str) -> None:
    response = viewer.get(f"{PAGE}?{query}")
    assert response.status_code == 200
    assert timezone.localdate().strftime("%B %Y") in response.content.decode()


def test_a_name_is_shown_as_it_is(viewer: Client, records: list[UsageRecord]) -> None:
    person = User.objects.create(username="<script>alert(1)</script>")
    replace_day(records[0], DAY, person).save()
    page = viewer.get(f"{PAGE}?date={DAY}").content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page


def test_numbers_in_a_plot_are_not_translated(viewer: Client, records: list[UsageRecord]) -> None:
    page = viewer.get(f"{PAGE}?date={DAY}", headers={"Accept-Language": "de"}).content.decode()
    drawn = page.partition('class="usage-plots"')[2].partition("<section")[0]
    coordinates = re.findall(r' (?:x|y|width|height|cx|cy|x1|x2|y1|y2)="([^"]*)"', drawn)
    assert len(coordinates) > 500
    assert all(re.fullmatch(r"[\d.]+", each) for each in coordinates)


def test_bars_fill_their_plot_and_no_more() -> None:
    series = [plots.Series("a", "first", [1, None, 3]), plots.Series("b", "second", [2, 0, 4])]
    plot = plots.Plot("k", "t", "d", "bars", ["x", "y", "z"], ["x", "", "z"], series, plots.whole)
    assert [label for _, label in plot.grid] == ["0", "2", "4", "6", "8"]
    first, nothing, last = plot.columns
    assert nothing.bars == []
    assert first.told == "x; a: 1; b: 2"
    heights = [float(bar.height) for bar in (*first.bars, *last.bars)]
    assert heights == pytest.approx([21.25, 42.5, 63.75, 85.0], abs=0.11)
    assert all(plots.TOP <= float(bar.y) <= plots.BOTTOM for bar in (*first.bars, *last.bars))


def test_lines_break_where_nothing_is_known() -> None:
    series = [plots.Series("a", "first", [1, None, 3, 2])]
    plot = plots.Plot("k", "t", "d", "lines", list("wxyz"), list("wxyz"), series, plots.decimal)
    assert [line.points.count(",") for line in plot.lines] == [1, 2]
    assert len(plot.dots) == 3


@pytest.mark.parametrize("value", [0.001, 0.3, 1, 1.1, 7, 9.9, 10, 123, 8_001, 12_345_678])
def test_an_axis_ends_a_little_above(value: float) -> None:
    assert value <= plots.round_above(value) <= 2 * value or math.isclose(value, plots.round_above(value))


@pytest.mark.parametrize("span", ["day", "week", "month"])
def test_periods_follow_each_other_without_a_gap(span: Span) -> None:
    periods = [Period.containing(date(2027, 12, 20), span)]
    for _ in range(20):
        periods.append(periods[-1].next)
    for earlier, later in pairwise(periods):
        assert later.first - earlier.last == timedelta(days=1)
        assert later.previous == earlier
        assert len(earlier.days) == {"day": 1, "week": 7}.get(span, earlier.last.day)


def test_old_records_get_their_day_and_hour(records: list[UsageRecord]) -> None:
    UsageRecord.objects.update(day=date(2000, 1, 1), hour=0)
    fill = import_module("inference.migrations.0002_operations").fill_day_and_hour
    with timezone.override("Asia/Kolkata"):
        fill(apps, connection.schema_editor())
        for record in UsageRecord.objects.all():
            local = timezone.localtime(record.created_at)
            assert (record.day, record.hour) == (local.date(), local.hour)


@pytest.mark.parametrize("address", [PAGE, CSV])
@pytest.mark.parametrize(
    ("is_staff", "permission", "status"),
    [(None, "", 302), (False, "view_usagerecord", 302), (True, "", 403), (True, "view_usagerecord", 200)],
)
def test_who_sees_it(
    client: Client, db: None, address: str, is_staff: bool | None, permission: str, status: int
) -> None:
    if is_staff is not None:
        client.force_login(person_with(permission, is_staff=is_staff))
    assert client.get(address).status_code == status
    assert client.post(address).status_code in (status if status != 200 else 405, 405)


def person_with(permission: str, *, is_staff: bool) -> User:
    person = User.objects.create_user("paul", is_staff=is_staff)
    if permission:
        person.user_permissions.add(Permission.objects.get(codename=permission))
    return person


@pytest.mark.parametrize("permission", ["", "view_usagerecord"])
def test_the_index_links_what_a_person_may_see(client: Client, db: None, permission: str) -> None:
    client.force_login(person_with(permission, is_staff=True))
    page = client.get("/admin/").content.decode()
    assert (f'href="{PAGE}"' in page) is bool(permission)
    assert 'href="/admin/engine/"' in page


def test_records_are_only_looked_at(viewer: Client, records: list[UsageRecord]) -> None:
    root = User.objects.create_superuser("root")
    viewer.force_login(root)
    page = "/admin/inference/usagerecord/"
    assert viewer.get(page).status_code == 200
    assert viewer.get(f"{page}add/").status_code == 403
    assert viewer.post(f"{page}{records[0].pk}/change/", {"outcome": "x"}).status_code == 403
    assert viewer.post(f"{page}{records[0].pk}/delete/", {"post": "yes"}).status_code == 403


def test_keys_are_revoked_by_who_may_change_them(client: Client, db: None) -> None:
    key, secret = ApiKey.issue(User.objects.create(username="ann"), "laptop")
    looker = person_with("view_apikey", is_staff=True)
    client.force_login(looker)
    page = "/admin/inference/apikey/"
    shown = client.get(f"{page}{key.pk}/change/").content.decode()
    assert "laptop" in shown
    assert key.digest not in shown
    order = {"action": "revoke", "_selected_action": [key.pk]}
    client.post(page, order)
    assert ApiKey.objects.with_secret(secret).usable().exists()
    looker.user_permissions.add(Permission.objects.get(codename="change_apikey"))
    client.post(page, order)
    assert not ApiKey.objects.with_secret(secret).usable().exists()


def test_a_dashboard_of_others_adds_up(records: list[UsageRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.statistics.dashboard.LISTED_PEOPLE", 3)
    dashboard: Dashboard = Draughtsman(Selection(Period.containing(DAY, "month"))).dashboard()
    assert dashboard.others is not None
    for name in counts.SUMS:
        listed = sum(getattr(person.counts, name) for person in dashboard.people)
        assert listed + getattr(dashboard.others, name) == getattr(dashboard.totals, name)
    (plot,) = (plot for plot in dashboard.plots if plot.key == "people-generations")
    drawn = sum(int(value or 0) for series in plot.series for value in series.values)
    assert drawn == dashboard.totals.generations
