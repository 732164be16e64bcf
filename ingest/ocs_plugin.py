"""Tells ocs-agent-cli which agents hkagg has.

The class is not called AggregatorAgent here: OCS picks at random between two plugins with one class name. To clients
the agent is an AggregatorAgent all the same.
"""

package_name = "hkagg"
agents = {"HKAggregatorAgent": {"module": "ingest.__main__", "entry_point": "main"}}
