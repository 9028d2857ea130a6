"""What a release leaves for later versions to be held to, the command that makes one, and the tests."""
