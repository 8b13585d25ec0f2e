"""What blends of two conditions show, against what their labels say."""
