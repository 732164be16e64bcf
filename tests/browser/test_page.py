"""The page of the monitor in a real browser: what it shows, and that nothing in it comes to life."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.support import scenes
from tests.support.browser import Page, browser, chromium
from tests.support.scenes import Scene, served

pytestmark = pytest.mark.skipif(
    chromium() is None, reason="Chromium is not installed (Debian: apt-get install chromium): the page is NOT TESTED"
)

Story = Callable[[Page, Scene], Awaitable[None]]
STATE = "document.body.dataset.state"


def show(scene: AbstractContextManager[Scene], profile: Path, story: Story) -> None:
    """Open the page of a scene and let a story happen; the page must have nothing to complain of."""

    async def run(opened: Scene) -> None:
        async with served(opened) as url, browser(profile) as page:
            await page.resize(1440, 1000)
            await page.open(url)
            await page.wait_for(f"{STATE} !== 'unknown' && {STATE} !== undefined")
            await story(page, opened)
            assert page.complaints == []

    with scene as opened:
        asyncio.run(asyncio.wait_for(run(opened), 120))


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    return tmp_path / "profile"


def text(selector: str) -> str:
    return f"document.querySelector('{selector}').textContent"


def test_an_idle_recorder_says_so_in_one_word(tmp_path: Path, profile: Path) -> None:
    async def story(page: Page, _scene: Scene) -> None:
        assert await page.run(text("#state")) == "idle"
        assert await page.run(text("#reasons")) == "it was not told to record"
        assert await page.run("document.title") == "idle · aggregator · hkagg"
        assert await page.run("!document.querySelector('#no-feeds').hidden")

    show(scenes.idle(tmp_path), profile, story)


def test_a_recording_is_shown_live(tmp_path: Path, profile: Path) -> None:
    async def story(page: Page, _scene: Scene) -> None:
        assert await page.run(text("#state")) == "recording"
        assert await page.run("document.querySelectorAll('tr.feed').length") > 3
        await page.wait_for(f"parseFloat({text('#messages-rate')}) > 0")
        before = await page.run(text("#file-age"))
        await page.wait_for(f"{text('#file-age')} !== {before!r}")
        await page.wait_for("document.querySelectorAll('.chart canvas').length === 4")
        await page.wait_for("document.querySelectorAll('#files tbody tr').length > 0")

    show(scenes.recording(tmp_path), profile, story)


def test_the_state_follows_by_itself(tmp_path: Path, profile: Path) -> None:
    async def story(page: Page, scene: Scene) -> None:
        assert await page.run(text("#state")) == "recording"
        scene.recorder.kill_writer()
        await page.wait_for(f"{STATE} === 'degraded'")
        assert "the writer is not running" in await page.run(text("#reasons"))

    show(scenes.recording(tmp_path), profile, story)


def test_a_monitor_that_is_gone_leaves_no_green_page_behind(tmp_path: Path, profile: Path) -> None:
    async def run(scene: Scene) -> None:
        async with browser(profile) as page:
            async with served(scene) as url:
                await page.open(url)
                await page.wait_for(f"{STATE} === 'recording'")
            await page.wait_for(f"{STATE} === 'unknown'")
            assert await page.run(text("#state")) == "no answer"

    with scenes.recording(tmp_path) as scene:
        asyncio.run(asyncio.wait_for(run(scene), 120))


def test_degraded_says_why_and_lists_what_is_missing(tmp_path: Path, profile: Path) -> None:
    async def story(page: Page, _scene: Scene) -> None:
        assert await page.run(text("#state")) == "degraded"
        reasons = await page.run(text("#reasons"))
        assert "disk trouble" in reasons
        assert "the buffer is 83% full" in reasons
        assert "buffer-full" in await page.run(text("#gaps"))
        assert await page.run("document.querySelectorAll('#quarantine tbody tr:not(.none)').length") >= 3

    show(scenes.degraded(tmp_path), profile, story)


def test_names_from_the_network_are_text_and_nothing_else(tmp_path: Path, profile: Path) -> None:
    async def story(page: Page, _scene: Scene) -> None:
        find = f"[...document.querySelectorAll('tr.feed')].find((row) => row.textContent.includes({scenes.HOSTILE!r}))"
        await page.wait_for(f"!!{find}")
        await page.run(f"{find}.querySelector('button').click()")
        await page.wait_for("document.querySelector('tr.detail')?.textContent.includes('<img src=x onerror=alert(1)>')")
        await page.run("document.querySelector('tr.detail .field').click()")
        await page.wait_for("document.querySelector('#plot').open && document.querySelector('#plot-title').textContent")
        assert scenes.HOSTILE in await page.run(text("#plot-address"))
        assert scenes.HOSTILE in await page.run(text("#gaps"))
        assert scenes.HOSTILE in await page.run(text("#quarantine"))
        assert await page.run("document.querySelectorAll('script').length") == 2
        assert await page.run("document.querySelectorAll('img, b').length") == 0

    show(scenes.hostile(tmp_path), profile, story)


def test_the_policy_keeps_even_injected_scripts_from_running(tmp_path: Path, profile: Path) -> None:
    async def run(scene: Scene) -> None:
        async with served(scene) as url, browser(profile) as page:
            await page.open(url)
            await page.wait_for(f"{STATE} === 'idle'")
            refused = "(() => { try { document.body.innerHTML = '<i>'; return false } catch { return true } })()"
            assert await page.run(refused)
            await page.run("document.body.append(Object.assign(document.createElement('p'), {id: 'p'}))")
            await page.run("document.querySelector('#p').setAttribute('style', 'display: none')")
            assert await page.run("getComputedStyle(document.querySelector('#p')).display") == "block"
            assert page.complaints

    with scenes.idle(tmp_path) as scene:
        asyncio.run(asyncio.wait_for(run(scene), 120))


def test_a_thousand_feeds_can_be_searched_and_sorted(tmp_path: Path, profile: Path) -> None:
    async def story(page: Page, _scene: Scene) -> None:
        await page.wait_for(f"{text('#feeds-count')} === '1,000 feeds'")
        assert await page.run("document.querySelectorAll('tr.feed').length") == 200
        await page.run("document.querySelector('#more').click()")
        assert await page.run("document.querySelectorAll('tr.feed').length") == 1000
        search = "document.querySelector('#search')"
        await page.run(f"{search}.value = 'crate-07 channel_1'; {search}.dispatchEvent(new Event('input'))")
        assert await page.run("document.querySelectorAll('tr.feed').length") == 10
        await page.run("document.querySelector('th[data-column=feed] button').click()")
        assert "channel_19" in await page.run(text("tr.feed"))
        assert await page.run("document.querySelector('th[data-column=feed]').ariaSort") == "descending"

    show(scenes.many_feeds(tmp_path), profile, story)


def test_a_field_is_plotted_from_the_archive_and_can_be_looked_at_closer(tmp_path: Path, profile: Path) -> None:
    async def story(page: Page, _scene: Scene) -> None:
        search = "document.querySelector('#search')"
        await page.run(f"{search}.value = 'acu_udp'; {search}.dispatchEvent(new Event('input'))")
        await page.wait_for("!!document.querySelector('tr.feed button')")
        await page.run("document.querySelector('tr.feed button').click()")
        await page.wait_for("document.querySelectorAll('tr.detail .spark canvas').length > 2")
        await page.wait_for("document.querySelectorAll('#files td.dim').length > 0")
        await page.run("document.querySelectorAll('tr.detail .field')[1].click()")
        await page.wait_for(f"/rows in the archive/.test({text('#plot-note')})")
        await page.run("document.querySelector('#plot-spans button').click()")
        await page.wait_for("document.querySelector('#plot-spans button').ariaPressed === 'true'")
        box = "document.querySelector('#plot .u-over').getBoundingClientRect()"
        left, right, top = await page.wait_for(f"(({{left, right, top}}) => [left, right, top])({box})")
        before = await page.run(text("#plot-note"))
        await page.drag(right - (right - left) / 3, right - 40, top + 50)
        await page.wait_for("[...document.querySelectorAll('#plot-spans button')].at(-1).disabled === false")
        await page.wait_for(f"{text('#plot-note')} !== {before!r}")
        assert "in the archive" in await page.run(text("#plot-note"))

    show(scenes.recording(tmp_path, past_s=420), profile, story)


@pytest.mark.parametrize(("width", "height"), [(360, 740), (768, 1024), (3840, 2160)])
def test_nothing_sticks_out_from_phone_to_wall_display(tmp_path: Path, profile: Path, width: int, height: int) -> None:
    async def story(page: Page, _scene: Scene) -> None:
        await page.resize(width, height, phone=width < 500)
        await page.wait_for(f"document.documentElement.clientWidth === {width}")
        await page.run("document.querySelector('tr.feed button').click()")
        await page.wait_for("!!document.querySelector('tr.detail .field')")
        await page.wait_for(f"document.documentElement.scrollWidth <= {width}")

    show(scenes.degraded(tmp_path), profile, story)
