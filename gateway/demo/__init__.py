"""`make demo`: a small programme through the real engine, and what came of it, told to a person.

`running` does it, `counting` adds it up, `stories` picks three referrals, `showing` prints.
"""
