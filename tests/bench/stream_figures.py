"""What the part `stream` says of its pairs: the lines of the table, and the cost by an answer's length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench.figures import Figure, Target, at_least, at_most, beside, ours_alone, ratio
from tests.bench.paced_sides import Case, Pair, Run
from tests.bench.plots import Line, Plot

FAST = Case(4000, 1000)
CONVERSATIONS = 200

# Times are milliseconds.
TO_ENGINE_TARGET = at_most(40)
ADDED_TARGET = at_most(30)
DELIVERY_TARGET = at_least(0.98)
LAST_TEXT_TARGETS = {250: at_most(120), 1000: at_most(250)}
MAIN_THREAD_TARGET = at_most(1.5)
WEB_CPU_TARGET = at_most(120)


@dataclass(frozen=True, slots=True)
class Peer:
    """Open WebUI 0.12.4 as it comes, on two cores like those of docs/benchmarks.md, which were busier then."""

    delivery: str = ""
    last_text: str = ""
    main_thread: str = ""
    web_cpu: str = ""


PEERS = {
    Case(1000, 50): Peer("1.00", "71 ms", "2.8", "1,040 ms"),
    Case(1000, 250): Peer("0.93", "295 ms", "2.3", "650 ms"),
    FAST: Peer("0.28", "9,744 ms", "4.6", "330 ms"),
}
PEER_TO_ENGINE, PEER_FIRST_TEXT = "300–510 ms", "40–544 ms"


def both(pairs: Sequence[Pair], read: Callable[[Run], float]) -> tuple[list[float], list[float]]:
    return [read(pair.bare) for pair in pairs], [read(pair.ours) for pair in pairs]


def milliseconds(pairs: Sequence[Pair], read: Callable[[Run], float]) -> tuple[list[float], list[float]]:
    return both(pairs, lambda run: read(run) * 1000)


def split_figures(pairs: Sequence[Pair]) -> list[Figure]:
    to_engine = milliseconds(pairs, lambda run: run.to_engine_seconds)
    first_text = milliseconds(pairs, lambda run: run.first_text_seconds)
    added = milliseconds(pairs, lambda run: run.added_seconds)
    return [
        beside("Enter to the request at the engine", *to_engine, "ms", TO_ENGINE_TARGET, PEER_TO_ENGINE),
        beside("First text at the engine to the page", *first_text, "ms", None, PEER_FIRST_TEXT),
        beside("Both: the added time", *added, "ms", ADDED_TARGET),
    ]


def added_figures(after_start: Sequence[Run], crowded: Sequence[Pair]) -> list[Figure]:
    added = milliseconds(crowded, lambda run: run.added_seconds)
    started = [run.added_seconds * 1000 for run in after_start]
    return [
        beside(f"Both, with {CONVERSATIONS} conversations in the list", *added, "ms", ADDED_TARGET),
        ours_alone("Both, for the first prompt after a start", started, "ms"),
    ]


def case_figures(case: Case, pairs: Sequence[Pair]) -> list[Figure]:
    peer = PEERS.get(case, Peer())
    target = LAST_TEXT_TARGETS.get(round(case.tokens_per_second or 0))
    drawn = milliseconds(pairs, lambda run: run.drawn_seconds)
    pauses = milliseconds(pairs, lambda run: run.longest_pause_seconds)
    browser = milliseconds(pairs, lambda run: run.per_thousand(run.browser_cpu_seconds))
    is_longest = (case.tokens, case.tokens_per_second) == (FAST.tokens, FAST.tokens_per_second)
    return [
        _delivery(case, pairs, peer),
        beside("Last text sent to complete text drawn", *drawn, "ms", target, peer.last_text),
        beside("Longest pause between two changes", *pauses, "ms"),
        _main_thread("", pairs, MAIN_THREAD_TARGET if is_longest else None, peer.main_thread),
        ratio("CPU of the browser per 1,000 tokens", *browser, "ms"),
        _web_cpu("", pairs, peer.web_cpu),
    ]


def _delivery(case: Case, pairs: Sequence[Pair], peer: Peer) -> Figure:
    if case.tokens_per_second is None:
        return beside("Shown", *both(pairs, lambda run: run.shown_per_second), "tok/s")
    shares = both(pairs, lambda run: run.shown_per_second / run.sent_per_second)
    return beside("Shown beside sent", *shares, "", DELIVERY_TARGET if case == FAST else None, peer.delivery)


def _main_thread(of: str, pairs: Sequence[Pair], target: Target | None = None, peer: str = "") -> Figure:
    spent = milliseconds(pairs, lambda run: run.main_thread_seconds)
    return ratio(f"{of}CPU of the page's main thread", *spent, "ms", target, peer)


def _web_cpu(of: str, pairs: Sequence[Pair], peer: str = "") -> Figure:
    _, spent = milliseconds(pairs, lambda run: run.per_thousand(run.web_cpu_seconds))
    relay = [pair.ours.per_thousand(pair.relay_cpu_seconds) * 1000 for pair in pairs]
    return beside(f"{of}CPU of the web process per 1,000 tokens", relay, spent, "ms", WEB_CPU_TARGET, peer)


def length_figures(pairs: Sequence[Pair]) -> list[Figure]:
    groups = _by_length(pairs).items()
    return [
        *(_main_thread(f"{length:,} tokens: ", group) for length, group in groups),
        *(_web_cpu(f"{length:,} tokens: ", group) for length, group in groups),
    ]


def length_plot(pairs: Sequence[Pair]) -> Plot:
    def line(name: str, seconds: Callable[[Pair], float]) -> Line:
        groups = _by_length(pairs).items()
        return Line(name, [(length, median(seconds(pair) * 1000 for pair in group)) for length, group in groups])

    return Plot(
        name="stream",
        title="Streaming Markdown at 1,000 tokens/s: cost by the answer's length",
        sizes="tokens of the answer",
        costs="milliseconds of CPU for 1,000 tokens",
        lines=[
            line("the page's main thread", lambda pair: pair.ours.per_thousand(pair.ours.main_thread_seconds)),
            line("the bare page's", lambda pair: pair.bare.per_thousand(pair.bare.main_thread_seconds)),
            line("web process", lambda pair: pair.ours.per_thousand(pair.ours.web_cpu_seconds)),
            line("a bare relay's", lambda pair: pair.ours.per_thousand(pair.relay_cpu_seconds)),
        ],
    )


def _by_length(pairs: Sequence[Pair]) -> dict[int, list[Pair]]:
    lengths = sorted({pair.case.tokens for pair in pairs})
    return {length: [pair for pair in pairs if pair.case.tokens == length] for length in lengths}
