"""The commands of `gestaltgen syndromes`: does a face speak for one syndrome? Research use, no diagnosis."""
