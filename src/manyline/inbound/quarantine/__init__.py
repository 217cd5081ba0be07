"""The quarantine: items of webhooks that could not be understood or stored, and what one may do."""
