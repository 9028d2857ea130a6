"""The Avro schemas, and the codec between a record and its bytes."""
