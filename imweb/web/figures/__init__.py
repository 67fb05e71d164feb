"""What the pages of figures share: the list's filters as their state, links to what a figure counts, their frame."""
