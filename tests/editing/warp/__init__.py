"""Tests of editing.warp."""
