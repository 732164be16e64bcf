"""The agents of the simulated site, with the rates and the habits of real ones.

Sources of the rates: ACU 200 Hz in 200-row messages each second on several feeds; HWP encoder about
2300 rows/s in messages of about 4200 rows; LS372 about 7 Hz a channel; everything else 0.1 to 1 Hz with
one row a message, about 100 feeds a site.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from aggregator.simulation.plans import AgentPlan, BlockPlan, FeedPlan
from aggregator.simulation.signals import Counter, Readout, Scan, Signal, State, Switch, Wave

_FRAME_S = 60
"""A frame_length that many real agents ask for; others leave it to the recorder."""


def acu(number: int) -> AgentPlan:
    """Make the antenna's control unit: two streams of 200 Hz, a status and a copy for the live plots.

    Parameters
    ----------
    number : int
        Which of them, from 1.

    Returns
    -------
    AgentPlan
        The agent.
    """
    stream: dict[str, Signal] = {
        "Corrected_Azimuth": Scan(180, 40, 80, 1e-4),
        "Corrected_Elevation": Wave(60, 0.001, 30, 1e-4),
        "Corrected_Boresight": Wave(0, 0.001, 47, 1e-4),
        "Raw_Azimuth": Scan(180, 40, 80, 2e-4),
        "Raw_Elevation": Wave(60, 0.001, 30, 2e-4),
        "Azimuth_Encoder": Counter(16384),
    }
    motors: dict[str, Signal] = {f"Current_motor_{axis}": Wave(3, 2, 80, 0.2) for axis in range(1, 5)}
    status: dict[str, Signal] = {
        "Azimuth_mode": State(("ProgramTrack", "Preset", "Stop"), 20),
        "Elevation_mode": State(("Preset", "Stop"), 50),
        "Azimuth_brakes_released": Switch(40, 0.9),
        "Emergency_stop": Switch(1e6, 0.0),
        "Year": State((2026,), 1e9),
        "Free_upload_positions": State((10_000, 9_990, 9_975), 7),
        "Azimuth_current_position": Scan(180, 40, 80, 1e-4),
        "Shutter": State(("open", "closed"), 90),
    }
    params = {"frame_length": _FRAME_S, "exclude_influx": True}
    feeds = (
        FeedPlan(
            name="acu_udp_stream",
            period_s=1,
            blocks=(BlockPlan(name="ACU_position", signals=stream, rows=200),),
            agg_params=params,
        ),
        FeedPlan(
            name="acu_motors",
            period_s=1,
            blocks=(BlockPlan(name="ACU_motors", signals=motors, rows=200),),
            agg_params=params,
        ),
        FeedPlan(name="acu_status", period_s=1, blocks=(BlockPlan(name="ACU_summary", signals=status),)),
        FeedPlan(
            name="acu_status_influx",
            period_s=1,
            blocks=(BlockPlan(name="ACU_summary_influx", signals=status),),
            agg_params={"exclude_aggregator": True},
        ),
    )
    return AgentPlan(agent_class="ACUAgent", instance_id=f"acu-sat{number}", feeds=feeds)


def hwp_encoder(number: int) -> AgentPlan:
    """Make a half-wave plate's encoder: large integer messages and a slow block beside them.

    Parameters
    ----------
    number : int
        Which of them, from 1.

    Returns
    -------
    AgentPlan
        The agent.
    """
    counter: dict[str, Signal] = {
        "counter": Counter(200_000_000),
        "counter_index": Counter(2_300),
        "quad": State((0, 1, 1, 0), 0.004),
    }
    irig: dict[str, Signal] = {
        "irig_time": Counter(1),
        "rising_edge_count": Counter(200_000_000),
        "approx_hwp_freq": Wave(2, 0.01, 33, 1e-3),
    }
    blocks = (
        BlockPlan(name="HWPEncoder_counter", signals=counter, rows=4200),
        BlockPlan(name="HWPEncoder_irig", signals=irig, rows=2),
    )
    feed = FeedPlan(name="HWPEncoder_full", period_s=1.826, blocks=blocks, agg_params={"exclude_influx": True})
    return AgentPlan(agent_class="HWPBBBAgent", instance_id=f"hwp-bbb-{number}", feeds=(feed,))


def lakeshore_372(number: int) -> AgentPlan:
    """Make a cryogenic thermometer bridge: a block a channel, and a heater's that comes now and then.

    Parameters
    ----------
    number : int
        Which of them, from 1.

    Returns
    -------
    AgentPlan
        The agent.
    """
    channels = tuple(
        BlockPlan(
            name=f"channel_{channel:02d}",
            signals={
                f"Channel_{channel}_T": Wave(0.1 * channel, 0.01, 40 + channel, 1e-3),
                f"Channel_{channel}_R": Wave(10_000 / channel, 30, 40 + channel, 5),
            },
            rows=7,
        )
        for channel in range(1, 7)
    )
    heater = BlockPlan(name="sample_heater", signals={"Sample_Heater_Output": Wave(1e-3, 5e-4, 20, 1e-5)}, every=7)
    feed = FeedPlan(name="temperatures", period_s=1, blocks=(*channels, heater), agg_params={"frame_length": _FRAME_S})
    return AgentPlan(agent_class="Lakeshore372Agent", instance_id=f"LSA{number:04d}", feeds=(feed,))


def lakeshore_240(number: int) -> AgentPlan:
    """Make a monitor of eight thermometers, one row a second.

    Parameters
    ----------
    number : int
        Which of them, from 1.

    Returns
    -------
    AgentPlan
        The agent.
    """
    signals: dict[str, Signal] = {}
    for channel in range(1, 9):
        signals[f"Channel_{channel}_T"] = Wave(4 + channel, 0.2, 60, 0.01)
        signals[f"Channel_{channel}_V"] = Wave(1 + channel / 10, 0.01, 60, 1e-3)
    feed = FeedPlan(name="temperatures", period_s=1, blocks=(BlockPlan(name="temps", signals=signals),))
    return AgentPlan(agent_class="Lakeshore240Agent", instance_id=f"LSB{number:04d}", feeds=(feed,))


def power_strip(number: int) -> AgentPlan:
    """Make a switched power strip: booleans and words, once in five seconds, no agg_params at all.

    Parameters
    ----------
    number : int
        Which of them, from 1.

    Returns
    -------
    AgentPlan
        The agent.
    """
    signals: dict[str, Signal] = {f"outlet_{outlet}": Switch(30 + 7 * outlet) for outlet in range(8)}
    signals["outlet_0_name"] = State(("compressor", "compressor (spare)"), 300)
    signals["model"] = State(("PDU-8 °", "PDU-8"), 45)
    feed = FeedPlan(
        name="outlets", period_s=5, blocks=(BlockPlan(name="outlet_status", signals=signals),), agg_params=None
    )
    return AgentPlan(agent_class="PowerStripAgent", instance_id=f"power-{number:02d}", feeds=(feed,))


def slow_monitor(number: int) -> AgentPlan:
    """Make one of the many monitors with twenty fields and 0.1 to 1 row a second.

    Parameters
    ----------
    number : int
        Which of them, from 1; it decides the rate.

    Returns
    -------
    AgentPlan
        The agent.
    """
    signals: dict[str, Signal] = {f"sensor_{field:02d}": Wave(20 + field, 2, 300, 0.1) for field in range(16)}
    signals |= {
        "uptime": Counter(1),
        "alarm": Switch(500, 0.02),
        "status": State(("OK", "WARN"), 200),
        "error_code": State((0, 0, 17), 100),
    }
    period_s = (1, 2, 3, 5, 10)[number % 5]
    feed = FeedPlan(name="environment", period_s=period_s, blocks=(BlockPlan(name="sensors", signals=signals),))
    return AgentPlan(agent_class="MonitorAgent", instance_id=f"monitor-{number:02d}", feeds=(feed,))


def chiller(number: int) -> AgentPlan:
    """Make a device whose labels nobody made for a computer, with integers among its floats.

    Parameters
    ----------
    number : int
        Which of them, from 1.

    Returns
    -------
    AgentPlan
        The agent.
    """
    signals: dict[str, Signal] = {
        "Water temperature (C)": Readout(12, 3),
        "Water-temperature (C)": Readout(12, 3),
        "Water temperature [C]": Readout(12, 3),
        "2nd stage": Readout(40, 5),
        "Δp": Readout(3, 1),
        "%": State((1, 2, 3), 2),
        "42": Wave(42, 1, 10),
        "_3rd pump": Switch(9),
    }
    feed = FeedPlan(
        name="status",
        period_s=2,
        blocks=(BlockPlan(name="chiller status", signals=signals, rows=4),),
        agg_params={"frame_length": 20},
    )
    return AgentPlan(agent_class="ChillerAgent", instance_id=f"chiller-{number}", feeds=(feed,))


def restarting_agent(number: int) -> AgentPlan:
    """Make an agent that crashes and comes back with a new session_id every 25 s.

    Parameters
    ----------
    number : int
        Which of them, from 1.

    Returns
    -------
    AgentPlan
        The agent.
    """
    signals: dict[str, Signal] = {"pressure": Wave(1e-6, 1e-7, 30, 1e-9), "gauge_on": Switch(11, 0.8)}
    feed = FeedPlan(
        name="pressures",
        period_s=0.5,
        blocks=(BlockPlan(name="pressure", signals=signals),),
        agg_params={"frame_length": 30},
    )
    return AgentPlan(
        agent_class="PfeifferAgent",
        instance_id=f"gauge-{number}",
        feeds=(feed,),
        cycle_s=25,
        silent_s=1.5,
        restarts=True,
    )


def dozing_agent(number: int) -> AgentPlan:
    """Make an agent that falls silent for longer than its fresh_time and then goes on as if nothing were.

    Parameters
    ----------
    number : int
        Which of them, from 1.

    Returns
    -------
    AgentPlan
        The agent.
    """
    signals: dict[str, Signal] = {"wind_speed": Wave(6, 3, 45, 0.5), "wind_from": Wave(200, 40, 90, 5)}
    feed = FeedPlan(
        name="weather",
        period_s=0.5,
        blocks=(BlockPlan(name="weather", signals=signals),),
        agg_params={"frame_length": 10, "fresh_time": 3},
    )
    return AgentPlan(agent_class="WeatherAgent", instance_id=f"weather-{number}", feeds=(feed,), cycle_s=18, silent_s=8)


_CENSUS: tuple[tuple[Callable[[int], AgentPlan], int], ...] = (
    (acu, 1),
    (hwp_encoder, 1),
    (lakeshore_372, 4),
    (lakeshore_240, 8),
    (power_strip, 10),
    (slow_monitor, 60),
    (chiller, 2),
    (restarting_agent, 1),
    (dozing_agent, 1),
)
"""How many of each a whole site has: about 100 feeds."""


def agents(scale: float) -> Iterator[AgentPlan]:
    """Give the agents of a site.

    Parameters
    ----------
    scale : float
        1 is a whole site; there is at least one agent of each kind.

    Yields
    ------
    AgentPlan
        Each with an instance_id of its own.
    """
    for make, count in _CENSUS:
        for number in range(1, max(1, round(count * scale)) + 1):
            yield make(number)
