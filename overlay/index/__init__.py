"""Records, text analysis, registrations, and what an index store answers with."""
