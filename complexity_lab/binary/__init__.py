"""Numbers to bits to block counts."""
