"""Holds an archive against ledgers of what was published: every value once, nothing else."""
