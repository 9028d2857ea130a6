"""Every parser that a stranger can reach, given what nobody would send: `make fuzz-parsers`."""
