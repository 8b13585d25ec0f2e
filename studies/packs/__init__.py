"""Pictures into the tools of a study: surveys, experiments, eye tracking and paper, with the answer key apart.

`survey_packs` and `face_datasets` read pictures, `designs` plans who sees which in which order, `tools` makes the files
of each tool, and `study_folder` writes them beside the key.
"""
