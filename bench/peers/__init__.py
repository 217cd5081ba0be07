"""What we are measured against, on the same servers and under the same load; see README.md."""
