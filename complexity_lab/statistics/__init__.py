"""Statistics, table to table: ratios, tests, nulls, the split of the drop, and what training does to complexity.

``open_results`` in ``results`` reads the directory of a study; every function takes and returns data frames or frozen
records, and only ``Results``, ``read_accuracy`` and ``read_losses`` read files.
"""
