"""The statistics page: its panels, each a table with links to the list that it counts, and its chart over time."""
