"""Two studies beside one another: what they share, in what they differ, and what that does."""
