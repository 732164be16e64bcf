"""A site whose every value is known: the feeds of an observatory, computed from a seed and the time.

The rates, sizes and habits are those of a real site (ACU, HWP encoder, thermometers, slow monitors); what
is published is a pure function of seed, start and time, so that a run can be repeated and checked.
"""

from aggregator.simulation.site import SimulatedMessage, SimulatedSite

__all__ = ["SimulatedMessage", "SimulatedSite"]
