"""A whole site on one machine: router, agents, recorder and the check that nothing got lost."""
