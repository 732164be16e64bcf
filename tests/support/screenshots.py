"""``python -m tests.support.screenshots DIR``: pictures of the monitor's page, for the documentation and to look at."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tests.support import scenes
from tests.support.browser import Page, browser, chromium
from tests.support.scenes import Scene, served

HOUR_S = 3600
SETTLE_S = 4.0

Prepare = Callable[[Page], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture to take.

    Parameters
    ----------
    name : str
        Of the file.
    theme : str
        `light` or `dark`.
    size : tuple of int
        Width and height in CSS pixels.
    prepare : callable
        What to do on the page first.
    """

    name: str
    theme: str = "light"
    size: tuple[int, int] = (1440, 900)
    prepare: Prepare


async def as_it_is(_page: Page) -> None:
    """Look at the page as it comes."""


async def open_some(page: Page) -> None:
    """Open a feed with fields worth seeing."""
    await page.run(
        "[...document.querySelectorAll('tr.feed')].find((row) => row.textContent.includes('acu_udp'))"
        ".querySelector('button').click()"
    )
    await page.wait_for("document.querySelectorAll('tr.detail .spark canvas').length > 3")


async def open_plot(page: Page) -> None:
    """Plot a field of the open feed."""
    await page.wait_for("document.querySelectorAll('#files tbody .dim').length > 0")
    await page.run("document.querySelectorAll('tr.detail .field')[1].click()")
    await page.wait_for("/in the archive/.test(document.querySelector('#plot-note').textContent)")


async def scroll_to_lists(page: Page) -> None:
    """Look at files, gaps and quarantine."""
    await page.run("document.querySelector('.lists').scrollIntoView({block: 'end'})")


GALLERY: tuple[tuple[Callable[[Path], AbstractContextManager[Scene]], tuple[Picture, ...]], ...] = (
    (
        lambda root: scenes.recording(root, past_s=HOUR_S + 300, scale=0.3),
        (
            Picture(name="monitor", prepare=open_some),
            Picture(name="monitor-dark", theme="dark", prepare=as_it_is),
            Picture(name="plot", prepare=open_plot),
        ),
    ),
    (scenes.idle, (Picture(name="idle", prepare=as_it_is),)),
    (
        lambda root: scenes.degraded(root, past_s=900),
        (
            Picture(name="degraded", prepare=as_it_is),
            Picture(name="degraded-lists", theme="dark", prepare=scroll_to_lists),
            Picture(name="phone", size=(390, 844), prepare=as_it_is),
        ),
    ),
    (
        scenes.many_feeds,
        (
            Picture(name="thousand", prepare=as_it_is),
            Picture(name="wall", theme="dark", size=(3840, 2160), prepare=as_it_is),
        ),
    ),
)


async def take(scene: Scene, pictures: tuple[Picture, ...], target: Path, wanted: set[str]) -> None:
    """Take the wanted pictures of one scene, one after the other on one page."""
    with tempfile.TemporaryDirectory() as profile:
        async with served(scene) as url, browser(Path(profile) / "profile") as page:
            await page.open(url)
            await page.wait_for("document.body.dataset.state !== 'unknown'")
            for picture in pictures:
                await page.resize(*picture.size, phone=picture.size[0] < 500)
                await page.theme(picture.theme)
                await picture.prepare(page)
                await asyncio.sleep(SETTLE_S)
                if picture.name in wanted or not wanted:
                    await page.screenshot(target / f"{picture.name}.png")
                    sys.stdout.write(f"{target / picture.name}.png\n")


def main(arguments: list[str]) -> int:
    """Take all pictures, or those that are named after the directory."""
    if chromium() is None or not arguments:
        sys.stderr.write("usage: scripts/screenshots [DIR [NAME...]]; needs Chromium (Debian: chromium)\n")
        return 2
    target, wanted = Path(arguments[0]), set(arguments[1:])
    target.mkdir(parents=True, exist_ok=True)
    for build, pictures in GALLERY:
        if wanted and not wanted & {picture.name for picture in pictures}:
            continue
        with tempfile.TemporaryDirectory() as root, build(Path(root)) as scene:
            asyncio.run(take(scene, pictures, target, wanted))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
