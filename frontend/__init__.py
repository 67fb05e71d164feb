"""Build sources of the vendored front-end files (see VENDORED.md); never imported by the application."""
