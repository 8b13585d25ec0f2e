"""Photographs of people: intake, decoding, stores, jobs, erasure, and the audit record of every access.

`records` has the dataclasses and tables; `storage`, `edits` and `survey_packs` are stores; `erasure` is the only module
that erases. `inversion_job`, `edit_job` and `survey_pack_job` do the work. Not here: image sets, encryption of files,
marks in pictures, and the REST routes.
"""
