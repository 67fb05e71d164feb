"""The card of an incident or aggregation result: what it shows of a document, and what its forms change."""
