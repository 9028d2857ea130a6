"""What is decided: pure functions of a purchase order's state, a message and the instant it arrived."""
