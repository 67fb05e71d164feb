"""What every settings page shares: search, order, undo, faults beside their fields, two administrators at once."""
