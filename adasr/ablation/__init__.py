"""Ablation studies: many trainings from one file, each done once, compared in one report."""
