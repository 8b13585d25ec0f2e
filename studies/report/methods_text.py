"""Methods paragraphs of the report: what was computed, with numbers, seeds and versions, to be copied into a paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studies.answers.table import FEWEST

Results = Mapping[str, Any]


def describe_answers(results: Results) -> str:
    """Describe the analysis of the answers."""
    sentences = [
        f"{results['participants']} participants gave {results['answers']} answers to {results['images']} images of "
        f"{results['faces']} faces.",
        "Accuracy is the share of right answers; its 95 % intervals treat participants and faces as random (two-way "
        "clustered variance, Wilson's form, Student's quantile).",
    ]
    if results["variant_tests"]:
        sentences.append(
            "Variants of the same faces were compared by a mixed logistic regression with participants and faces as "
            "crossed random effects, each with an intercept and a slope of the variant (second-order penalised "
            "quasi-likelihood, degrees of freedom by Satterthwaite). Conditions were corrected by Holm's method. "
            "Beside it stand an unpaired Student's t-test over single answers, which ignores participants and faces "
            "(Patel et al. 2024), permutation of the variants within participants, and a bootstrap of participants and "
            "faces."
        )
    if results["human_and_model"]:
        sentences.append(
            "Participants were compared with a classifier on the same images, with faces as units and random signs; "
            "its classes were reduced to the options of the survey."
        )
    if results["left_out"]:
        sentences.append(f"Groups of fewer than {FEWEST} participants are not shown.")
    if results["agreement"]:
        sentences.append(
            "Agreement is Fleiss' kappa and Krippendorff's alpha for nominal answers, with bootstrap intervals over "
            "faces."
        )
    return " ".join([*sentences, f"The seed was {results['seed']}.", _name_versions(results)])


def describe_gaze(gaze: Results) -> str:
    """Describe the analysis of the eye tracking."""
    settings = gaze["settings"]
    sentences = [
        f"The eye tracking has {gaze['views']} views of {gaze['images']} images by {gaze['participants']} "
        "participants. Views were left out as the table says.",
        f"Fixations: {settings['fixations']}." if "fixations" in settings else "",
        "Dwell time is the sum of the durations of fixations in an area of interest. Differences are edited minus "
        "reconstructed, after the midpoint of each face over both variants is removed; their intervals and p take "
        "participants and faces as random (two-way clustered variance, Student's t, Satterthwaite). Sign flips over "
        "participants and an unpaired t-test over single views stand beside. Areas and conditions were corrected by "
        "Holm's method.",
    ]
    if "sigma of heat maps" in settings:
        sentences.append(
            "Heat maps are fixations weighted by duration, smoothed by a Gaussian of a standard deviation of "
            f"{settings['sigma of heat maps']} and scaled to the sum 1 for each view. Differences between them were "
            f"tested by clusters (cell-wise p < {settings['cluster-forming p']}, mass of t, "
            f"{settings['sign flips of the cluster test']} sign flips of participants, or all where these are fewer)."
        )
    if gaze["similarities"]:
        sentences.append(
            "Heat maps were compared with saliency maps of a classifier by intersection over union of the highest "
            "cells and by symmetric Kullback-Leibler divergence "
            f"({settings['epsilon of the divergence']:g} added to each cell), against permutations of the images."
        )
    return " ".join([*filter(None, sentences), f"The seed was {settings['seed']}.", _name_versions(gaze)])


def _name_versions(results: Results) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    return f"Computed with {versions}."
