"""Descriptions made from the code: OpenAPI, AsyncAPI, the page of rules."""
