"""Our speed and memory against peers and limits, side by side in one run on this machine."""
