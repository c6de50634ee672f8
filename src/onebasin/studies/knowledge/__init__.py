"""When the std of a single weight says something: one factor changed at a time."""
