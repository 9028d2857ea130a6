"""Webhooks: one engine delivers what providers and Jobcentre systems would else fetch."""
