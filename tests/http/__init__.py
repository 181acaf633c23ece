"""Doors for other systems: requests that are taken and refused, chats, calls, replies, receipts, and the example."""
