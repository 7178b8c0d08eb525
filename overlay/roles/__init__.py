"""Leaf, super-peer, election, mandates: the life of a peer as explicit state machines."""
