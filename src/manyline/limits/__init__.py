"""What Meta lets a number send: slots per second, and per recipient, shared by all workers."""
