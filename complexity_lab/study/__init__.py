"""The one engine of every study: plan, run side by side, resume, isolate what is killed, record the origin."""
