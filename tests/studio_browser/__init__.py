"""Tests of the studio in Chromium, which Playwright drives; they are skipped where the system has none."""
