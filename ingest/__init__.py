"""The network side of hkagg: takes feed messages from WAMP and puts them into the log."""
