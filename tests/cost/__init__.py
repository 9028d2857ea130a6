"""What a fixed piece of work costs, in what can be counted: no seconds."""
