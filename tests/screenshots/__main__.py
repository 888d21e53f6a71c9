"""`python -m tests.screenshots`: photographs the states of the site into docs/screenshots/."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import async_playwright

from tests.screenshots.colours import reduced
from tests.screenshots.scenes import SCENES, Scene
from tests.screenshots.studio import Scheme, Studio

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
WIDE, PHONE = (1280, 800), (390, 844)
MAX_BYTES = 120_000


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=[scene.name for scene in SCENES], help="these scenes")
    parser.add_argument("--to", type=Path, default=FOLDER, help="another folder")
    return parser.parse_args()


async def photograph(studio: Studio, scene: Scene, scheme: Scheme) -> bytes:
    studio.begin_again()
    width, height = PHONE if scene.is_phone else WIDE
    try:
        async with studio.visit(scene.person, width, height, scheme, is_phone=scene.is_phone) as page:
            await scene.lead(studio, page)
            return await page.screenshot(animations="disabled")
    finally:
        await studio.end_answers()


async def photograph_all(studio: Studio, scenes: list[Scene], folder: Path) -> bool:
    is_small = True
    async with async_playwright() as playwright:
        browser = await studio.launch(playwright)
        for scene in scenes:
            for scheme in scene.schemes:
                name = scene.name if scheme == scene.schemes[0] else f"{scene.name}-{scheme}"
                picture = reduced(await photograph(studio, scene, scheme))
                (folder / f"{name}.png").write_bytes(picture)
                is_small = is_small and len(picture) <= MAX_BYTES
                sys.stdout.write(f"{len(picture) / 1000:6.1f} kB  {name}.png\n")
        await browser.close()
    return is_small


def main() -> int:
    chosen = options()
    scenes = [scene for scene in SCENES if not chosen.only or scene.name in chosen.only]
    chosen.to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        studio = Studio(Path(folder))
        try:
            studio.open()
            is_small = asyncio.run(photograph_all(studio, scenes, chosen.to))
        except BaseException:
            sys.stdout.write(studio.site.log[-3000:])
            raise
        finally:
            studio.close()
    if not is_small:
        sys.stdout.write(f"A picture has more than {MAX_BYTES // 1000} kB.\n")
    return 0 if is_small else 1


if __name__ == "__main__":
    sys.exit(main())
