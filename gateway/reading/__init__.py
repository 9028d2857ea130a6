"""The read side: what the log says, arranged for those who ask over HTTP.

A SQLite file in each process, filled from the log's changes. It can be thrown away at any time: it is then
made anew from the log.
"""
