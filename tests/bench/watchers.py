"""Part `watchers`: one answer before many open pages, beside a server that only sends the same frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench.bare_daphne import BareDaphne
from tests.bench.figures import Figure, at_least, at_most, ours_alone, ratio
from tests.bench.plots import Line, Plot
from tests.bench.report import Section
from tests.bench.watched_site import FRAMES_PER_SECOND, PER_SECOND, Run, WatchedSite, run_bare, watched_site
from tests.services import RedisServer

SIZES = (1, 10, 100, 500)
FEW, CROWD, MOST = 10, 100, 500
CORES_TARGET = at_most(0.5)
RATE_TARGET = at_least(15)
LINEAR_TARGET = at_most(1.3)

Say = Callable[[str], None]


def measure(folder: Path, rounds: int, say: Say) -> list[Section]:
    say("Watchers ")
    with watched_site(folder / "memory") as site, BareDaphne() as bare:
        pairs = [pair for number in range(rounds) for pair in interleaved(site, bare, number, say)]
    say("\nWatchers with Redis ")
    with ExitStack() as stack:
        (folder / "redis").mkdir()
        redis = RedisServer(folder / "redis")
        redis.start()
        stack.callback(redis.stop)
        site = stack.enter_context(watched_site(folder / "redis" / "site", REDIS_URL=redis.url))
        over_redis = [site.run(CROWD)[0] for _ in range(rounds)]
    title = f"One answer at {PER_SECOND:,.0f} tok/s before many open pages"
    figures = pair_figures(pairs) + redis_figures(over_redis)
    return [Section(title, figures, [*pairs, *over_redis], plot(pairs))]


@dataclass(frozen=True, slots=True)
class Pair:
    bare: Run
    ours: Run


def interleaved(site: WatchedSite, bare: BareDaphne, number: int, say: Say) -> Iterator[Pair]:
    """All sizes once, upwards and downwards by turns."""
    for watchers in SIZES if number % 2 else reversed(SIZES):
        ours, frames = site.run(watchers)
        yield Pair(run_bare(bare, frames, ours.seconds, watchers), ours)
        say(".")


def pair_figures(pairs: Sequence[Pair]) -> list[Figure]:
    figures = []
    for watchers in SIZES:
        bare, ours = _sides(pairs, watchers)
        floor, costs = ([run.cpu_per_watcher_frame * 1e6 for run in side] for side in (bare, ours))
        figures.append(
            ratio(f"{watchers:,} watcher{'s' if watchers > 1 else ''}: CPU of each for a frame", floor, costs, "µs")
        )
    bare, ours = _sides(pairs, CROWD)
    cores, rates = ([run.cores for run in ours], [run.slowest_frames_per_second for run in ours])
    few, most = ([run.cpu_per_watcher_frame * 1e6 for run in _sides(pairs, size)[1]] for size in (FEW, MOST))
    figures += [
        ours_alone(f"{CROWD} watchers: cores for {FRAMES_PER_SECOND} frames/s each", cores, "", CORES_TARGET),
        ours_alone(f"{CROWD} watchers: frames/s of the slowest", rates, "frames/s", RATE_TARGET),
        ratio(f"CPU of each for a frame: {MOST} watchers beside {FEW}", few, most, "µs", LINEAR_TARGET),
        ratio(
            f"CPU of one more for a frame: above {CROWD} watchers beside above {FEW}",
            _of_one_more(pairs, FEW, CROWD),
            _of_one_more(pairs, CROWD, MOST),
            "µs",
            LINEAR_TARGET,
        ),
    ]
    return figures + [_late(pairs, watchers) for watchers in (FEW, CROWD, MOST)]


def _of_one_more(pairs: Sequence[Pair], fewer: int, more: int) -> list[float]:
    """Without what the answer itself costs, which is shared by all."""
    before, after = (_sides(pairs, size)[1] for size in (fewer, more))
    costs = [
        (one.cpu_seconds / one.frames, two.cpu_seconds / two.frames) for one, two in zip(before, after, strict=True)
    ]
    return [(larger - smaller) / (more - fewer) * 1e6 for smaller, larger in costs]


def _late(pairs: Sequence[Pair], watchers: int) -> Figure:
    late = [run.late_seconds * 1000 for run in _sides(pairs, watchers)[1]]
    return ours_alone(f"{watchers:,} watchers: last token to the end of the answer at the last", late, "ms")


def redis_figures(runs: Sequence[Run]) -> list[Figure]:
    return [
        ours_alone(
            f"{CROWD} watchers, Redis: CPU of each for a frame",
            [run.cpu_per_watcher_frame * 1e6 for run in runs],
            "µs",
        ),
        ours_alone(
            f"{CROWD} watchers, Redis: cores for {FRAMES_PER_SECOND} frames/s each",
            [run.cores for run in runs],
            "",
            CORES_TARGET,
        ),
    ]


def plot(pairs: Sequence[Pair]) -> Plot:
    def line(name: str, side: int) -> Line:
        points = [(float(size), median(run.cores for run in _sides(pairs, size)[side])) for size in SIZES]
        return Line(name, points)

    title = "One answer before many open pages"
    costs = f"cores of the web process, at {FRAMES_PER_SECOND} frames/s each"
    return Plot("watchers", title, "open pages", costs, [line("floor", 0), line("LocalAI", 1)])


def _sides(pairs: Sequence[Pair], watchers: int) -> tuple[list[Run], list[Run]]:
    of_size = [pair for pair in pairs if pair.ours.watchers == watchers]
    return [pair.bare for pair in of_size], [pair.ours for pair in of_size]
