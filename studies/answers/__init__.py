"""Answers of participants: the table that every analysis reads, and the readers of survey programs' exports."""
