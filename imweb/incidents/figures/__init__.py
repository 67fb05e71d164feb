"""What a set of incidents adds up to: exact counts for the pages of figures, each page's from one point in time."""
