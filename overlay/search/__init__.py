"""The query language, the flood with feedback, receipts."""
