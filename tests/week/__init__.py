"""A simulated week of a contact centre: seeded, time compressed, checked from its history alone."""
