"""The OpenAPI 3.1 document of the HTTP API."""

from gateway.contracts.openapi.document import FILE, document, operations

__all__ = ["FILE", "document", "operations"]
