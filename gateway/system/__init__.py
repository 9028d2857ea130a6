"""What every room may use: log lines, signals, clocks."""
