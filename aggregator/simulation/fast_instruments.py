"""The fast agents of the simulated site; each function makes one of them, numbered from 1.

Sources of the rates: ACU 200 Hz in 200-row messages each second on several feeds; HWP encoder about
2300 rows/s in messages of about 4200 rows; LS372 about 7 Hz a channel.
"""

from __future__ import annotations

from aggregator.simulation.plans import AgentPlan, BlockPlan, FeedPlan
from aggregator.simulation.signals import Counter, Scan, Signal, State, Switch, Wave

FRAME_S = 60
"""A frame_length that many real agents ask for; others leave it to the recorder."""

_POSITION: dict[str, Signal] = {
    "Corrected_Azimuth": Scan(180, 40, 80, 1e-4),
    "Corrected_Elevation": Wave(60, 0.001, 30, 1e-4),
    "Corrected_Boresight": Wave(0, 0.001, 47, 1e-4),
    "Raw_Azimuth": Scan(180, 40, 80, 2e-4),
    "Raw_Elevation": Wave(60, 0.001, 30, 2e-4),
    "Azimuth_Encoder": Counter(16384),
}
_MOTORS: dict[str, Signal] = {f"Current_motor_{axis}": Wave(3, 2, 80, 0.2) for axis in range(1, 5)}
_STATUS: dict[str, Signal] = {
    "Azimuth_mode": State(("ProgramTrack", "Preset", "Stop"), 20),
    "Elevation_mode": State(("Preset", "Stop"), 50),
    "Azimuth_brakes_released": Switch(40, 0.9),
    "Emergency_stop": Switch(1e6, 0.0),
    "Year": State((2026,), 1e9),
    "Free_upload_positions": State((10_000, 9_990, 9_975), 7),
    "Azimuth_current_position": Scan(180, 40, 80, 1e-4),
    "Shutter": State(("open", "closed"), 90),
}


def acu(number: int) -> AgentPlan:
    """Make the antenna's control unit: two streams of 200 Hz, a status and a copy for the live plots."""
    feeds = (
        _stream("acu_udp_stream", "ACU_position", _POSITION),
        _stream("acu_motors", "ACU_motors", _MOTORS),
        FeedPlan(name="acu_status", period_s=1, blocks=(BlockPlan(name="ACU_summary", signals=_STATUS),)),
        FeedPlan(
            name="acu_status_influx",
            period_s=1,
            blocks=(BlockPlan(name="ACU_summary_influx", signals=_STATUS),),
            agg_params={"exclude_aggregator": True},
        ),
    )
    return AgentPlan(agent_class="ACUAgent", instance_id=f"acu-sat{number}", feeds=feeds)


def _stream(name: str, block: str, signals: dict[str, Signal]) -> FeedPlan:
    return FeedPlan(
        name=name,
        period_s=1,
        blocks=(BlockPlan(name=block, signals=signals, rows=200),),
        agg_params={"frame_length": FRAME_S, "exclude_influx": True},
    )


def hwp_encoder(number: int) -> AgentPlan:
    """Make a half-wave plate's encoder: large integer messages and a slow block beside them."""
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
    """Make a cryogenic thermometer bridge: a block a channel, and a heater's that comes now and then."""
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
    feed = FeedPlan(name="temperatures", period_s=1, blocks=(*channels, heater), agg_params={"frame_length": FRAME_S})
    return AgentPlan(agent_class="Lakeshore372Agent", instance_id=f"LSA{number:04d}", feeds=(feed,))
