"""The incident list: its address as a state, and what the page shows of it."""
