"""What the monitor answers over HTTP: the page, its streams, status, metrics and health.

Only GET, only numbers in requests, only names from a fixed list in paths; see docs/explanation/security.md.
"""

from __future__ import annotations

import asyncio
import math

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from aggregator.health import SECOND_NS, State, judge
from aggregator.status_command import as_json as status_json
from aggregator.status_view import Look
from writer.monitor.metrics import registry_of
from writer.monitor.monitor import EVERY_S, BusyError, Monitor, as_json
from writer.monitor.pages import StaticFile, static_files
from writer.monitor.settings import MonitorSettings
from writer.monitor.subscriptions import server_sent_event
from writer.monitor.watcher import FEEDS_AT_ONCE

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "hkagg",
}
LONGEST_LINE_BYTES = 4096
LARGEST_BODY_BYTES = 1024
LONGEST_SPAN_S = 31 * 86_400
MOST_BINS = 4000
TEXT = "text/plain; charset=utf-8"

MONITOR = web.AppKey("monitor", Monitor)


def make_app(monitor: Monitor, settings: MonitorSettings) -> web.Application:
    """Return the application that answers for a monitor."""
    app = web.Application(middlewares=[_guard(settings)], client_max_size=LARGEST_BODY_BYTES)
    app[MONITOR] = monitor
    app.router.add_get("/events", events, allow_head=False)
    app.router.add_get("/events/fields", field_events, allow_head=False)
    app.router.add_get("/plot.json", plot)
    app.router.add_get("/status.json", status)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/metrics", _metrics(monitor))
    for file in static_files():
        app.router.add_get(file.url, _static(file))
    return app


def make_runner(app: web.Application) -> web.AppRunner:
    """Return what serves an application, with limits on what a request may bring."""
    return web.AppRunner(
        app,
        access_log=None,
        max_line_size=LONGEST_LINE_BYTES,
        max_field_size=LONGEST_LINE_BYTES,
        shutdown_timeout=1,
    )


def _guard(settings: MonitorSettings) -> Middleware:
    accepted = settings.accepted_names

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if accepted is not None and _name_in(request.host) not in accepted:
            return web.Response(status=421, text="this monitor answers only on the machine itself\n", headers=HEADERS)
        try:
            return await handler(request)
        except web.HTTPException as refusal:
            refusal.headers.update(HEADERS)
            raise

    return guard


def _name_in(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host


def _static(file: StaticFile) -> Handler:
    async def serve(_request: web.Request) -> web.StreamResponse:
        response = web.Response(body=file.content, content_type=file.content_type, charset="utf-8", headers={**HEADERS})
        response.enable_compression()
        return response

    return serve


def _metrics(monitor: Monitor) -> Handler:
    registry = registry_of(monitor.observation)

    async def metrics(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=generate_latest(registry), headers={**HEADERS, "Content-Type": CONTENT_TYPE_LATEST})

    return metrics


async def status(request: web.Request) -> web.StreamResponse:
    """Answer what `hkagg status --json` says."""
    monitor = request.app[MONITOR]
    seen, now_ns = monitor.observation()
    look = Look(seen=seen, health=judge(seen, now_ns), now_ns=now_ns)
    text = status_json(monitor.directory, look) + "\n"
    return web.Response(text=text, content_type="application/json", headers=HEADERS)


async def healthz(request: web.Request) -> web.StreamResponse:
    """Answer 200 while recording, else 503 and why."""
    seen, now_ns = request.app[MONITOR].observation()
    health = judge(seen, now_ns)
    text = "\n".join((health.state.label, *health.reasons)) + "\n"
    code = 200 if health.state is State.RECORDING else 503
    return web.Response(status=code, text=text, headers={**HEADERS, "Content-Type": TEXT})


async def plot(request: web.Request) -> web.StreamResponse:
    """Answer a field's rows between two times: numbers of feed, block and field, Unix seconds, how many stretches."""
    monitor = request.app[MONITOR]
    feed, block, field = (_whole_number(request, name) for name in ("feed", "block", "field"))
    bins = min(max(_whole_number(request, "bins", 1000), 10), MOST_BINS)
    to_s = _number(request, "to", monitor.clock_ns() / SECOND_NS)
    from_s = _number(request, "from", to_s - 3600)
    if not 0 < to_s - from_s <= LONGEST_SPAN_S:
        raise web.HTTPBadRequest(text="'to' must be later than 'from', by a month at most\n")
    try:
        told = await monitor.plot(feed, block, field, from_s=from_s, to_s=to_s, bins=bins)
    except BusyError:
        raise web.HTTPServiceUnavailable(text="too many plots at once\n", headers={"Retry-After": "2"}) from None
    if told is None:
        raise web.HTTPNotFound(text="there is no such field\n")
    response = web.Response(text=as_json(told), content_type="application/json", headers=HEADERS)
    response.enable_compression()
    return response


async def events(request: web.Request) -> web.StreamResponse:
    """Tell a page everything, and then what changes."""
    monitor = request.app[MONITOR]
    _refuse_when_full(monitor)
    with monitor.subscriptions.stream(), monitor.subscriptions.subscribed() as subscription:
        response = await _begin_stream(request)
        try:
            await response.write(server_sent_event("whole", await monitor.whole()))
            while (event := await subscription.next()) is not None:
                await response.write(event)
        except ConnectionError:
            # The page was closed, which is how every stream ends.
            pass
        return response


async def field_events(request: web.Request) -> web.StreamResponse:
    """Tell a page the last values of some feeds' fields, once a second."""
    monitor = request.app[MONITOR]
    numbers = _numbers(request, "feeds")
    _refuse_when_full(monitor)
    taken: dict[int, list[int]] = {number: [] for number in numbers}
    with monitor.subscriptions.stream():
        response = await _begin_stream(request)
        try:
            while not monitor.subscriptions.is_closed:
                told, taken = await monitor.fields({number: taken.get(number, []) for number in numbers})
                await response.write(server_sent_event("fields", as_json(told)))
                await asyncio.sleep(EVERY_S)
        except ConnectionError:
            # The page was closed, which is how every stream ends.
            pass
        return response


def _refuse_when_full(monitor: Monitor) -> None:
    if monitor.subscriptions.is_full:
        raise web.HTTPServiceUnavailable(text="too many pages are open\n")


async def _begin_stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
    await response.prepare(request)
    return response


def _whole_number(request: web.Request, name: str, default: int | None = None) -> int:
    text = request.query.get(name, "")
    if not text and default is not None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise web.HTTPBadRequest(text=f"'{name}' must be a whole number\n")
    return int(text)


def _number(request: web.Request, name: str, default: float) -> float:
    text = request.query.get(name)
    try:
        number = default if text is None else float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise web.HTTPBadRequest(text=f"'{name}' must be a number of Unix seconds\n")
    return number


def _numbers(request: web.Request, name: str) -> list[int]:
    texts = [text for text in request.query.get(name, "").split(",") if text]
    if len(texts) > FEEDS_AT_ONCE or not all(t.isascii() and t.isdecimal() and len(t) <= 9 for t in texts):
        raise web.HTTPBadRequest(text=f"'{name}' must be at most {FEEDS_AT_ONCE} whole numbers with commas between\n")
    return [int(text) for text in texts]
