"""What could not be decoded: listed, shown, put back or discarded."""
