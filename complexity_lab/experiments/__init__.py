"""Training experiments: many MoMos, QAT and baseline runs, their tables, and the paper's Tables 1 and 2 beside ours."""
