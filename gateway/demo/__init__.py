"""`make demo`: a small programme through the real engine, and what came of it, for a person to read.

`running` does it, `counting` adds it up, `stories` picks three referrals, `showing` prints.
"""
