"""Static files under names that carry their hash, in the imports of JavaScript modules too."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from whitenoise.storage import CompressedManifestStaticFilesStorage  # type: ignore[import-untyped]  # ships no types


class HashedStaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # its base is untyped
    """Compressed and immutable; a module's imports are rewritten to hashed names like a stylesheet's url()."""

    support_js_module_import_aggregation = True

    def url_converter(self, name: str, *args: Any, **kwargs: Any) -> Callable[[re.Match[str]], str]:
        """Return what rewrites one reference in a file; a type imported in a script's comment is no reference."""
        convert: Callable[[re.Match[str]], str] = super().url_converter(name, *args, **kwargs)

        def converter(match: re.Match[str]) -> str:
            if name.endswith(".js") and not match["url"].endswith((".js", ".map")):
                return match["matched"]
            return convert(match)

        return converter
