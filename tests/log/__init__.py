"""What an implementation of the log port must do, written once and run on each of them."""
