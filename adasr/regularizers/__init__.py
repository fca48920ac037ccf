"""What acts on features in training, where (sites) and when (schedules)."""
