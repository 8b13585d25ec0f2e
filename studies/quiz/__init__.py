"""Quizzes for teaching: which condition does this synthetic face show?

`questions` draws a quiz from labelled pictures, `moodle` and `qti` write it for learning platforms with the words of
`wording`, and `scores` evaluates the answers of one learner.
"""
