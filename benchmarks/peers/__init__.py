"""The gateway beside other ways to do the same work: `make bench-peers`.

Each peer is one file, written as its users would write it. It runs in a virtual environment of its own,
because what it needs is no part of the gateway; the rules and the codec are the gateway's.
"""
