"""The slow agents of the simulated site, those with bad habits among them; each function makes one, numbered from 1.

Most feeds of a real site have one row a message, 0.1 to 10 times a second.
"""

from __future__ import annotations

from aggregator.simulation.plans import AgentPlan, BlockPlan, FeedPlan
from aggregator.simulation.signals import Counter, Readout, Signal, State, Switch, Wave


def lakeshore_240(number: int) -> AgentPlan:
    """Make a monitor of eight thermometers, one row a second."""
    signals: dict[str, Signal] = {}
    for channel in range(1, 9):
        signals[f"Channel_{channel}_T"] = Wave(4 + channel, 0.2, 60, 0.01)
        signals[f"Channel_{channel}_V"] = Wave(1 + channel / 10, 0.01, 60, 1e-3)
    feed = FeedPlan(name="temperatures", period_s=1, blocks=(BlockPlan(name="temps", signals=signals),))
    return AgentPlan(agent_class="Lakeshore240Agent", instance_id=f"LSB{number:04d}", feeds=(feed,))


def power_strip(number: int) -> AgentPlan:
    """Make a switched power strip: booleans and words, once in five seconds, no agg_params at all."""
    signals: dict[str, Signal] = {f"outlet_{outlet}": Switch(30 + 7 * outlet) for outlet in range(8)}
    signals["outlet_0_name"] = State(("compressor", "compressor (spare)"), 300)
    signals["model"] = State(("PDU-8 °", "PDU-8"), 45)
    feed = FeedPlan(
        name="outlets", period_s=5, blocks=(BlockPlan(name="outlet_status", signals=signals),), agg_params=None
    )
    return AgentPlan(agent_class="PowerStripAgent", instance_id=f"power-{number:02d}", feeds=(feed,))


def slow_monitor(number: int) -> AgentPlan:
    """Make one of the many monitors with twenty fields and 0.1 to 1 row a second."""
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
    """Make a device whose labels nobody made for a computer, with integers among its floats."""
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
    """Make an agent that crashes and comes back with a new session_id every 25 s."""
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
    """Make an agent that falls silent for longer than its fresh_time and then goes on as if nothing were."""
    signals: dict[str, Signal] = {"wind_speed": Wave(6, 3, 45, 0.5), "wind_from": Wave(200, 40, 90, 5)}
    feed = FeedPlan(
        name="weather",
        period_s=0.5,
        blocks=(BlockPlan(name="weather", signals=signals),),
        agg_params={"frame_length": 10, "fresh_time": 3},
    )
    return AgentPlan(agent_class="WeatherAgent", instance_id=f"weather-{number}", feeds=(feed,), cycle_s=18, silent_s=8)
