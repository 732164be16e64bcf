"""`hkagg bench`: what a recorder takes, and what it costs, on the machine it runs on."""
