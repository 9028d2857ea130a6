"""The engine, on a simulated log and on the embedded one."""
