"""Runs: functions from a config to tables."""
