"""The way to OpenSearch; nothing outside this package imports its client."""

from imweb.opensearch._gateway import Gateway, RawPit, Stored, gateway

__all__ = ["Gateway", "RawPit", "Stored", "gateway"]
