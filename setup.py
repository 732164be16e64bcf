"""Stub for tools that still look for it; setup.cfg has the metadata."""

from setuptools import setup

setup()
