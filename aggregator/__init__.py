"""What both sides of hkagg share: settings, the log between them, status and the command line."""

__version__ = "0.1.0"
