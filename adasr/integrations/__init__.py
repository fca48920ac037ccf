"""adasr inside other projects: BasicSR, spandrel. Nothing of adasr imports these modules."""
