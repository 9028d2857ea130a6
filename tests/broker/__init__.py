"""A real Apache Kafka for the tests, by Java and Maven alone."""
