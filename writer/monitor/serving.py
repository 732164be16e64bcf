"""Brings a monitor and its server up, and down again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web

from aggregator.errors import MonitorStartError
from writer.monitor.monitor import Monitor
from writer.monitor.server import make_app, make_runner
from writer.monitor.settings import MonitorSettings


async def serve(
    monitor: Monitor, settings: MonitorSettings, stop: asyncio.Event, announce: Callable[[str], None]
) -> None:
    """Serve until told to stop.

    Parameters
    ----------
    monitor : Monitor
        What looks at the recorder; it is closed at the end.
    settings : MonitorSettings
        Where to serve.
    stop : asyncio.Event
        Set to end it.
    announce : callable
        Told the URL as soon as it answers.

    Raises
    ------
    MonitorStartError
        When it cannot listen there.
    """
    runner = make_runner(make_app(monitor, settings))
    await runner.setup()
    try:
        announce(await _listen(runner, settings))
        await _watch_until(stop, monitor)
    finally:
        await monitor.close()
        await runner.cleanup()


async def _listen(runner: web.AppRunner, settings: MonitorSettings) -> str:
    site = web.TCPSite(runner, settings.host, settings.port)
    try:
        await site.start()
    except OSError as error:
        raise MonitorStartError(
            f"cannot listen on {settings.host} port {settings.port} ({error.strerror or error}): give another --port"
        ) from error
    host, port = runner.addresses[0][:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


async def _watch_until(stop: asyncio.Event, monitor: Monitor) -> None:
    """Run the monitor; when it ends by itself, that is a programming error and ends the process."""
    looking = asyncio.ensure_future(monitor.run())
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((looking, stopping), return_when=asyncio.FIRST_COMPLETED)
        if looking.done():
            looking.result()
    finally:
        for task in (looking, stopping):
            task.cancel()
        await asyncio.gather(looking, stopping, return_exceptions=True)
