"""The parts of `hkagg bench` that need the writer or the G3 library; each is a program of its own."""
