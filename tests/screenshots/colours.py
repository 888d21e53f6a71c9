"""Fewer colours, so that a repository can keep the pictures: the large grounds stay exact, the rest close."""

from __future__ import annotations

from collections import Counter
from io import BytesIO

from PIL import Image

COLOURS = 256
EXACT = 48
"""So many of the most frequent colours."""


def reduced(picture: bytes) -> bytes:
    """A PNG with a palette. Pillow chooses it, but its own search for the nearest colour is too rough for greys."""
    image = Image.open(BytesIO(picture)).convert("RGB")
    pixels = [bytes(pixel) for pixel in zip(*[iter(image.tobytes())] * 3, strict=True)]
    counted = Counter(pixels)
    chosen = image.quantize(COLOURS - EXACT, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).getpalette() or []
    palette = [colour for colour, _count in counted.most_common(EXACT)]
    palette += [bytes(chosen[at : at + 3]) for at in range(0, len(chosen), 3)]
    nearest = {
        colour: min(range(len(palette)), key=lambda index: _distance(palette[index], colour)) for colour in counted
    }
    out = Image.frombytes("P", image.size, bytes(nearest[pixel] for pixel in pixels))
    out.putpalette(b"".join(palette))
    file = BytesIO()
    out.save(file, "PNG", optimize=True)
    return file.getvalue()


def _distance(one: bytes, other: bytes) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))
