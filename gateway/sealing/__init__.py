"""Encryption at rest: what is kept about a person is sealed with a key a referral, which can be destroyed."""
