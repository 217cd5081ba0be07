"""The bare limit: what ours writes, written by programs that do nothing else.

Two processes, as ours are. One makes everything before its clock starts, then writes flush after
flush, as many beside one another as ours: customers, messages with their replies, conversations,
and along with them the ledger and the jobs. The other takes the jobs, claims and settles their
messages. There is no HTTP, no signature, no parsing; nothing is looked up, no rate is kept and no
Graph is called. The product's own repositories write, and a test compares what is left behind.
"""
