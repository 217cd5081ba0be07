"""Statuses of Meta's, taken into the messages that they speak of."""
