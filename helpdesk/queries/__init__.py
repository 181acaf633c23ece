"""The read side: lists, search and reports; functions that return `select()` or rows."""
