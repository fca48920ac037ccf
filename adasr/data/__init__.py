"""Image files, data sets of LQ/GT pairs and the loader that feeds training."""
