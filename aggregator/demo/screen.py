"""What the demo shows: a living picture on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from aggregator.status_view import Look, render

_SPARKS = "▁▂▃▄▅▆▇█"
_PLAIN_EVERY_S = 5.0
_RATES_SHOWN = 48
_WHY_PENDING = "Each feed says how long its frames are, 10 to 300 s here; until then its messages wait in the buffer."


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One look at the whole demo.

    Attributes
    ----------
    elapsed_s, length_s : float
        How far the demo is.
    look : Look
        At the recorder.
    programs : Sequence[tuple[str, bool]]
        Everybody's name, and whether they run.
    """

    elapsed_s: float
    length_s: float
    look: Look
    programs: Sequence[tuple[str, bool]]


class Screen:
    """Tells the story.

    Parameters
    ----------
    console : Console
        Where to.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, text: str = "", style: str = "") -> None:
        """Print a line.

        Parameters
        ----------
        text, style : str
            What, and how rich shall show it.
        """
        self._console.print(text, style=style, markup=False, highlight=False, soft_wrap=not self._console.is_terminal)

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Show that something is being done, and tick it off at the end.

        Parameters
        ----------
        text : str
            What.
        """
        if not self._console.is_terminal:
            yield
        else:
            with self._console.status(text):
                yield
        self._console.print(Text.assemble(("✔ ", "bold green"), text), soft_wrap=not self._console.is_terminal)

    @contextmanager
    def stage(self) -> Iterator[Stage]:
        """Give what shows the scenes, for as long as there are any."""
        if not self._console.is_terminal:
            yield PlainStage(self)
            return
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            yield LiveStage(live)


class Stage:
    """Shows scenes and keeps the rate of messages."""

    def __init__(self) -> None:
        self._received = 0
        self._seen_ns = 0
        self.rates: deque[float] = deque(maxlen=_RATES_SHOWN)

    def show(self, scene: Scene) -> None:
        """Take a look at the demo.

        Parameters
        ----------
        scene : Scene
            The latest.
        """
        ingest = scene.look.seen.ingest
        # The snapshot is renewed once a second; between two of them there is no news.
        passed_ns, received = ingest.reported_ns - self._seen_ns, ingest.counted("received")
        if passed_ns > 0:
            if self._seen_ns:
                self.rates.append((received - self._received) * 1e9 / passed_ns)
            self._seen_ns, self._received = ingest.reported_ns, received

    @property
    def rate(self) -> float:
        """Messages a second, of late."""
        recent = list(self.rates)[-5:]
        return sum(recent) / len(recent) if recent else 0.0


class PlainStage(Stage):
    """Prints a line now and then.

    Parameters
    ----------
    screen : Screen
        Where to.
    """

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self._screen = screen
        self._next_s = _PLAIN_EVERY_S

    def show(self, scene: Scene) -> None:
        """See `Stage.show`."""
        super().show(scene)
        if scene.elapsed_s >= self._next_s:
            self._next_s += _PLAIN_EVERY_S
            self._screen.say(as_line(scene, self.rate))


class LiveStage(Stage):
    """Keeps a picture up to date.

    Parameters
    ----------
    live : Live
        Rich's.
    """

    def __init__(self, live: Live) -> None:
        super().__init__()
        self._live = live

    def show(self, scene: Scene) -> None:
        """See `Stage.show`."""
        super().show(scene)
        self._live.update(as_picture(scene, self.rate, self.rates), refresh=True)


def as_line(scene: Scene, rate: float) -> str:
    """Put a scene into one line.

    Parameters
    ----------
    scene : Scene
        The scene.
    rate : float
        Messages a second.

    Returns
    -------
    str
        For a log.
    """
    ingest, writer = scene.look.seen.ingest, scene.look.seen.writer
    return (
        f"{scene.elapsed_s:4.0f} s: {scene.look.health.state.label}, {int(ingest.number('feeds'))} feeds, "
        f"{ingest.counted('received'):,} messages ({rate:.0f}/s), {writer.counted('archived'):,} archived, "
        f"buffer {ingest.number('buffer', 'fill'):.1%}, lag {writer.number('lag_s'):.1f} s, "
        f"file {writer.text('current_file')}"
    )


def as_picture(scene: Scene, rate: float, rates: Sequence[float]) -> RenderableType:
    """Paint a scene.

    Parameters
    ----------
    scene : Scene
        The scene.
    rate : float
        Messages a second.
    rates : Sequence[float]
        What it was before, oldest first.

    Returns
    -------
    RenderableType
        For rich.
    """
    running = [
        Text.assemble(("● " if runs else "○ ", "green" if runs else "red"), f"{name}  ")
        for name, runs in scene.programs
    ]
    parts = Group(
        _progress(scene),
        "",
        Text().join(running),
        "",
        render("the recorder, as 'hkagg status' shows it", scene.look),
        "",
        Text.assemble((f"{rate:6.0f} messages/s  ", "bold"), (sparkline(rates), "cyan")),
        "",
        Text(_WHY_PENDING, style="dim"),
    )
    return Panel(parts, title="hkagg demo", subtitle="Ctrl-C ends it early", border_style="cyan", padding=(1, 2))


def sparkline(values: Sequence[float]) -> str:
    """Draw numbers as a row of bars.

    Parameters
    ----------
    values : Sequence[float]
        None of them negative.

    Returns
    -------
    str
        One character each; the tallest is the largest.
    """
    tallest = max(values, default=0.0) or 1.0
    return "".join(_SPARKS[min(int(value / tallest * len(_SPARKS)), len(_SPARKS) - 1)] for value in values)


def _progress(scene: Scene) -> RenderableType:
    row = Table.grid(padding=(0, 1))
    row.add_row(
        f"{scene.elapsed_s:.0f} of {scene.length_s:.0f} s",
        ProgressBar(total=scene.length_s, completed=scene.elapsed_s, width=50),
    )
    return row
