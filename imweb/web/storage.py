"""Static files under names that carry their hash, in the imports of JavaScript modules too."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage  # type: ignore[import-untyped]  # ships no types


class HashedStaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # its base is untyped
    """Compressed and immutable; a module's imports are rewritten to hashed names like a stylesheet's url()."""

    support_js_module_import_aggregation = True
