"""The commands of `gestaltgen syndromes`: is a face evidence for one syndrome? Research use, no diagnosis."""
