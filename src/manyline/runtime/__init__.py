"""The only place where objects are built and wired: a module for each process."""
