"""A believable programme of any size: what `gateway sample` writes and `gateway replay` reads.

Nothing in it is about a real person: names are invented, telephone numbers are from Ofcom's range for
drama, mail goes to example.org, National Insurance numbers and postcodes begin with letters that none has.
"""

from gateway.sample.programme import ends_on, programme

__all__ = ["ends_on", "programme"]
