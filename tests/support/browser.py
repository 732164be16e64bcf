"""Drives Debian's Chromium without a window, over its own debugging protocol: no driver, no download.

Every complaint of the page (console errors, uncaught exceptions, violations of its Content-Security-Policy) is kept.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
ANSWER_WITHIN_S = 30
POLL_S = 0.05


def chromium() -> str | None:
    """Return Chromium's path, or None where it is not installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.complaints: list[str] = []

    async def listen(self) -> None:
        """Take in what the browser says, until it ends."""
        async for message in self._socket:
            told = message.json()
            if "id" in told:
                self._answers.pop(told["id"]).set_result(told)
            else:
                self._note(told["method"], told["params"])

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol."""
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        told = await asyncio.wait_for(answer, ANSWER_WITHIN_S)
        assert "error" not in told, f"{method}: {told['error']}"
        result: dict[str, Any] = told["result"]
        return result

    async def open(self, url: str) -> None:
        """Go to a page."""
        await self.call("Page.navigate", url=url)

    async def run(self, script: str) -> Any:
        """Return what an expression gives in the page."""
        told = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    async def wait_for(self, script: str, timeout_s: float = 20) -> Any:
        """Wait until an expression gives something true."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            with suppress(AssertionError):
                if value := await self.run(script):
                    return value
            if time.monotonic() > deadline_s:
                raise AssertionError(f"waited in vain for: {script}; the page complains of {self.complaints}")
            await asyncio.sleep(POLL_S)

    async def resize(self, width: int, height: int, *, phone: bool = False, scale: float = 1) -> None:
        """Give the page another size, in CSS pixels."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone
        )

    async def theme(self, name: str) -> None:
        """Prefer `light` or `dark`."""
        await self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    async def screenshot(self, path: Path) -> None:
        """Keep a picture of what is in view."""
        told = await self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(told["data"]))

    async def drag(self, from_x: float, to_x: float, y: float) -> None:
        """Drag the mouse sideways."""
        await self.call("Input.dispatchMouseEvent", type="mouseMoved", x=from_x, y=y)
        for kind, x in (("mousePressed", from_x), ("mouseMoved", (from_x + to_x) / 2), ("mouseMoved", to_x)):
            await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)
        await self.call("Input.dispatchMouseEvent", type="mouseReleased", x=to_x, y=y, button="left", clickCount=1)

    def _note(self, method: str, parameters: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning"):
            self.complaints.append(str([argument.get("value") for argument in parameters["args"]]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            entry = parameters["entry"]
            self.complaints.append(f"{entry['text']} {entry.get('url', '')}")


@asynccontextmanager
async def browser(profile: Path) -> AsyncIterator[Page]:
    """Run Chromium with a profile directory of its own, and give its tab."""
    program = chromium()
    assert program is not None
    command = [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    with (profile.parent / f"{profile.name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        async with aiohttp.ClientSession() as session:
            url = await _tab(session, await _port(profile, process))
            async with session.ws_connect(url, max_msg_size=64 << 20) as socket:
                page = Page(socket)
                listening = asyncio.ensure_future(page.listen())
                for domain in ("Page", "Runtime", "Log"):
                    await page.call(f"{domain}.enable")
                yield page
                listening.cancel()
    finally:
        process.terminate()
        process.wait(20)


async def _port(profile: Path, process: subprocess.Popen[bytes]) -> int:
    deadline_s = time.monotonic() + ANSWER_WITHIN_S
    told = profile / "DevToolsActivePort"
    while time.monotonic() < deadline_s and process.poll() is None:
        with suppress(OSError, IndexError, ValueError):
            return int(told.read_text().splitlines()[0])
        await asyncio.sleep(POLL_S)
    raise AssertionError("Chromium does not open its debugging port")


async def _tab(session: aiohttp.ClientSession, port: int) -> str:
    async with session.get(f"http://127.0.0.1:{port}/json/list") as response:
        tabs = await response.json(content_type=None)
    return str(next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page"))
