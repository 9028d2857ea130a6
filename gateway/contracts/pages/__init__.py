"""What a newcomer sees in a browser: where to begin, the reference, and a page about each code."""
