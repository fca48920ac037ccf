"""One option file, many trainings: grids of regularizers, weights, sites, schedules, seeds."""
