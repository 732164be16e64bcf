"""The disk side of hkagg: turns the log into an archive of G3 housekeeping files."""
