"""The recorder's numbers in the form that Prometheus scrapes; names come from `aggregator.counters`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from aggregator import __version__
from aggregator.counters import COUNTERS, CounterSpec
from aggregator.health import SECOND_NS, Health, State, judge
from aggregator.observation import Observation, Process

PREFIX = "hkagg_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """A number that goes up and down.

    Parameters
    ----------
    help_text : str
        One sentence for the operator.
    read : callable
        Takes an observation and the time (Unix nanoseconds), gives the number, or None where there is none.
    """

    help_text: str
    read: Callable[[Observation, int], float | None]


def _ingest(*keys: str) -> Callable[[Observation, int], float | None]:
    return lambda seen, _now_ns: seen.ingest.number(*keys)


def _writer(*keys: str) -> Callable[[Observation, int], float | None]:
    return lambda seen, _now_ns: seen.writer.number(*keys)


def _file_age_s(seen: Observation, now_ns: int) -> float | None:
    opened_ns = seen.writer.number("file_opened_ns")
    return max(0.0, (now_ns - opened_ns) / SECOND_NS) if opened_ns else None


GAUGES: dict[str, Gauge] = {
    "buffer_size_bytes": Gauge(help_text="Limit of the buffer.", read=_ingest("buffer", "size_bytes")),
    "buffer_used_bytes": Gauge(help_text="Bytes of all segments of the log.", read=_ingest("buffer", "used_bytes")),
    "buffer_fill_ratio": Gauge(help_text="Used share of the buffer, from 0 to 1.", read=_ingest("buffer", "fill")),
    "connected": Gauge(help_text="1 while messages can come from the router.", read=_ingest("connected")),
    "losing": Gauge(help_text="1 while messages are being dropped.", read=_ingest("losing")),
    "feeds": Gauge(help_text="Feeds heard of in this session.", read=_ingest("feeds")),
    "providers": Gauge(help_text="Providers that the writer has open.", read=_writer("providers")),
    "pending_messages": Gauge(
        help_text="Messages taken from the log that wait for their frame to be cut.", read=_writer("pending_messages")
    ),
    "lag_seconds": Gauge(help_text="How far the writer is behind the log.", read=_writer("lag_s")),
    "file_bytes": Gauge(help_text="Length of the current file.", read=_writer("file_bytes")),
    "file_age_seconds": Gauge(help_text="Time since the current file was begun.", read=_file_age_s),
    "disk_trouble": Gauge(
        help_text="1 while the archive's disk refuses the writer.",
        read=lambda seen, _now_ns: float(bool(seen.writer.text("disk_error"))),
    ),
}

BY_PROCESS = {
    "up": "1 while the process holds its lock.",
    "start_time_seconds": "When the process began, Unix seconds.",
    "report_age_seconds": "Time since the process last said how it is doing.",
}
STATE_HELP = "1 for the state that the recorder is in, 0 for the others."


class RecorderCollector(Collector):
    """Looks at a recorder each time that it is asked.

    Parameters
    ----------
    look : callable
        Returns an observation and its time, Unix nanoseconds.
    """

    def __init__(self, look: Callable[[], tuple[Observation, int]]) -> None:
        self._look = look

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        seen, now_ns = self._look()
        yield InfoMetricFamily("hkagg", "The recorder's software.", value={"version": __version__})
        yield _state(judge(seen, now_ns))
        yield from _processes(seen, now_ns)
        for name, gauge in GAUGES.items():
            value = gauge.read(seen, now_ns)
            yield GaugeMetricFamily(PREFIX + name, gauge.help_text, value=value)
        for name, spec in COUNTERS.items():
            yield from _counter(name, spec, getattr(seen, spec.process))


def registry_of(look: Callable[[], tuple[Observation, int]]) -> CollectorRegistry:
    """Return a registry with the recorder's metrics and no others."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(RecorderCollector(look))
    return registry


def by_label_name(name: str, spec: CounterSpec) -> str:
    """Return the name of a counter's breakdown: one name never holds both a total and its parts."""
    return f"{PREFIX}{name}_by_{spec.label}"


def counter_help() -> Iterator[tuple[str, str]]:
    """Yield the name and the help text of every counter, as they are scraped."""
    for name, spec in COUNTERS.items():
        yield f"{PREFIX}{name}_total", spec.help_text
        if spec.label:
            yield f"{by_label_name(name, spec)}_total", _by_label_help(spec)


def _by_label_help(spec: CounterSpec) -> str:
    return f"{spec.help_text[:-1]}, by {spec.label}."


def _state(health: Health) -> Metric:
    family = GaugeMetricFamily(PREFIX + "state", STATE_HELP, labels=["state"])
    for state in State:
        family.add_metric([state.value], float(state is health.state))
    return family


def _processes(seen: Observation, now_ns: int) -> Iterator[Metric]:
    families = {name: GaugeMetricFamily(PREFIX + name, text, labels=["process"]) for name, text in BY_PROCESS.items()}
    for name, process in (("ingest", seen.ingest), ("writer", seen.writer)):
        families["up"].add_metric([name], float(process.alive))
        if process.reported_ns:
            families["start_time_seconds"].add_metric([name], process.number("started_ns") / SECOND_NS)
            families["report_age_seconds"].add_metric([name], (now_ns - process.reported_ns) / SECOND_NS)
    yield from families.values()


def _counter(name: str, spec: CounterSpec, process: Process) -> Iterator[Metric]:
    yield CounterMetricFamily(PREFIX + name, spec.help_text, value=process.counted(name))
    if spec.label:
        family = CounterMetricFamily(by_label_name(name, spec), _by_label_help(spec), labels=[spec.label])
        for label, value in _by_label(name, process).items():
            family.add_metric([label], value)
        yield family


def _by_label(name: str, process: Process) -> Mapping[str, float]:
    counters = (process.snapshot or {}).get("counters")
    values = counters.get(name) if isinstance(counters, Mapping) else None
    if not isinstance(values, Mapping):
        return {}
    return {str(label): value for label, value in values.items() if isinstance(value, (int, float))}
