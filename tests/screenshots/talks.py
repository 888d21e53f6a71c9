"""What the photographed people asked, and what they were answered."""

from __future__ import annotations

from dataclasses import dataclass, field

MODEL = "openai/gpt-oss-20b"
TOKENS_PER_SECOND = 48


@dataclass(frozen=True, slots=True)
class Exchange:
    prompt: str
    answer: str
    thinking: str = ""
    error: str = ""
    rating: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation; its last prompt was asked so many hours ago."""

    title: str
    hours_ago: float
    exchanges: list[Exchange] = field(default_factory=list)
    is_pinned: bool = False
    instructions: str | None = None
    owner: str = "ann"


def _short(title: str, hours_ago: float, prompt: str, answer: str) -> Talk:
    return Talk(title, hours_ago, [Exchange(prompt, answer)])


LINE_ANSWER = r"""The **least squares** line $y = a + b\,x$ makes the squared distances as small as possible:

$$b = \frac{\sum_i (x_i - \bar x)(y_i - \bar y)}{\sum_i (x_i - \bar x)^2}, \qquad a = \bar y - b\,\bar x$$

```python
import numpy as np
x = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
y = np.array([2.1, 3.9, 6.2, 7.8, 10.1])
b, a = np.polyfit(x, y, deg=1)
print(f"y = {a:.2f} + {b:.2f} x")
```

| Points | Slope $b$ | Intercept $a$ |
|-------:|----------:|--------------:|
|      5 |      1.99 |          0.05 |

Look at the residuals before you trust it."""

LINE_THINKING = """The user wants a line fit. Least squares: give the closed formula, then NumPy's polyfit.
Check the numbers: the mean of x is 3, of y 6.02. The sum of (x - 3)(y - 6.02) is 19.9, of (x - 3)² it is 10.
So b = 1.99 and a = 6.02 - 5.97 = 0.05. A small table with the result, and a hint about residuals."""

SORT_PROMPT = "Compare bubble sort, merge sort and quicksort. Give the recurrence and merge sort in Python."

SORT_THINKING = """The user wants a comparison of three sorting algorithms.
A table is best: average and worst time, memory, stable or not.
Then the recurrence of merge sort: T(n) = 2 T(n/2) + O(n), which solves to O(n log n).
Then a short, readable implementation in Python: split, sort both halves, merge.
I should mention that quicksort's worst case is quadratic, but that it is rare with a random pivot. Keep it brief."""

SORT_ANSWER = r"""| Algorithm | Average | Worst | Memory | Stable |
|-----------|---------|-------|--------|:------:|
| Bubble sort | $O(n^2)$ | $O(n^2)$ | $O(1)$ | yes |
| Merge sort | $O(n \log n)$ | $O(n \log n)$ | $O(n)$ | yes |
| Quicksort | $O(n \log n)$ | $O(n^2)$ | $O(\log n)$ | no |

Merge sort halves the list and merges both sorted halves in linear time:

$$T(n) = 2\,T\!\left(\frac{n}{2}\right) + O(n) \;\Rightarrow\; T(n) = O(n \log n)$$

```python
def merge_sort(items):
    if len(items) < 2:
        return items
    middle = len(items) // 2
    left, right = merge_sort(items[:middle]), merge_sort(items[middle:])
    merged = []
    while left and right:
        merged.append((left if left[0] <= right[0] else right).pop(0))
    return merged + left + right
```

For real work use `sorted()`: it is **Timsort**, stable, and much faster than any of these in pure Python."""

CACHE_ANSWER = """A browser keeps a response as long as its headers allow:

1. **Fresh**: while `max-age` has not run out, it is used without asking.
2. **Stale**: then the browser asks again, with the `ETag` it has.
3. **Not modified**: the server answers `304` without a body, and the copy is fresh again.

Files whose name changes with their content can be kept for a year: `Cache-Control: max-age=31536000, immutable`."""

HIKE_ANSWER = """**Day 1** – Bad Harzburg to Torfhaus, 13 km, up the Eckertal past the reservoir.
**Day 2** – Torfhaus over the Brocken to Schierke, 16 km. Start early: the summit is empty before ten.
**Day 3** – Schierke to Wernigerode, 15 km, mostly downhill through the Steinerne Renne.

- [x] Book the hut in Torfhaus
- [ ] Check the weather on the Brocken: it has 300 days of fog a year
- [ ] Pack a warm layer, even in summer"""

EMAIL_ANSWER = """Hi Sam,

thanks for the draft – it reads well already. Could you add the figures for March before Thursday? Then we can send
it out this week.

Have a good one
Ann"""

SQL_ANSWER = """```sql
SELECT c.* FROM customers AS c
LEFT JOIN orders AS o ON o.customer_id = c.id
WHERE o.id IS NULL;
```"""

TALKS = [
    Talk(
        "A three-day hike in the Harz",
        200,
        [Exchange("Plan a three-day hike in the Harz for two people with some experience.", HIKE_ANSWER)],
        is_pinned=True,
    ),
    Talk(
        "Fit a line through measurements",
        0.4,
        [
            Exchange(
                "Fit a line through noisy measurements: formula and Python, please.",
                LINE_ANSWER,
                LINE_THINKING,
                rating=1,
                note="Formula, code and a check of the numbers: just what I needed.",
            )
        ],
    ),
    Talk(
        "How does HTTP caching work?",
        2,
        [
            Exchange("How does HTTP caching work, in a few sentences?", CACHE_ANSWER, "Fresh, stale, revalidated."),
            Exchange(
                "And what does a proxy in between change?",
                "A **shared cache** keeps one copy for everybody, so only responses that are the same for all",
                "Shared caches: s-maxage, private, Vary.",
                error="The engine stopped unexpectedly: the GPU ran out of memory.",
            ),
        ],
    ),
    Talk(
        "Make this e-mail friendlier",
        21,
        [Exchange("Make this friendlier: “Sam, figures for March are missing. Send them by Thursday.”", EMAIL_ANSWER)],
    ),
    _short("Names for a small bakery", 25, "Names for a small bakery?", "**Crumb & Co.**, *Morning Loaf*, Rye Smile."),
    _short("Customers without orders", 60, "SQL: which customers have no orders?", SQL_ANSWER),
    Talk(
        "Bread with 80 % hydration",
        90,
        [
            Exchange(
                "My dough with 80 % water sticks to everything. What helps?",
                "Cold water, folds instead of kneading, and wet hands.",
                rating=-1,
                note="Too short: how often do I fold it, and for how long?",
            )
        ],
    ),
    _short("A quiz about the solar system", 130, "Five quiz questions, please", "1. Which planet has the longest day?"),
    _short(
        "Potato salad for six", 400, "Bavarian potato salad for six", "1.5 kg of waxy potatoes, 400 ml of hot broth …"
    ),
    _short("Heat pump or gas boiler?", 700, "Heat pump or gas boiler?", "That depends on the flow temperature."),
    _short("The train to Lisbon", 1100, "Can I go from Hamburg to Lisbon by train?", "Yes, in about two days."),
]

INSTRUCTIONS = "Answer briefly. Use metric units. Show code in Python unless I ask for another language."

PRESETS = {
    "Code reviewer": "Review the code I paste: errors first, then names, then style. Quote the lines you mean.",
    "English teacher": "Correct my English. Explain each mistake in one sentence, then give the corrected text.",
}
