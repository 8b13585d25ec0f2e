"""Speed: networks and single operations, ours beside the published way.

The service as a whole is measured in `benchmarks.load`.
"""
