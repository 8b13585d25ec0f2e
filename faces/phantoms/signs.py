"""Drawing parameters that only HPO terms move; in the default conditions they are zero and draw nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Signs:
    """Features of a face beyond the traits of `faces.phantoms.person`. One is a typical expression, unless noted.

    Attributes:
        face_length: lower face longer; relative.
        chin_drop: chin lower than its parts say; side of the picture.
        chin_point: chin narrow.
        cranium_smallness: top of the head lower and narrower; 1 undoes the difference between infant and adult.
        forehead_breadth: hairline further out at the temples; relative.
        forehead_height: hairline above its usual place; side.
        skin_pallor: share of very light colour in the skin.
        hair_fairness: share of very light blond in the hair.
        coarseness: depth of the folds of the face.
        midface_retrusion: depth of the hollow beside the nose.
        neck_web: skin between ears and shoulders.
        ear_rotation: upper end of the ears turned outwards; radians.
        ear_protrusion: ears further out; relative to their width.
        helix_folding: upper edge of the ears folded down.
        helix_thickness: thickness of the rim of the ears.
        earlobe_smallness: lower end of the ears cut off.
        epicanthus: fold over the inner corners of the eyes.
        ptosis: upper lids lower.
        telecanthus: inner corners of the eyes further out; side.
        squint: one iris turned inwards; side.
        iris_pallor: share of very light grey in the irises.
        fissure_smallness: eyes shorter and less open.
        proptosis: eyes more open and forward.
        lid_eversion: outer third of the lower lids turned out.
        lash_length: length of the lashes; side.
        brow_shift: brows further out; side.
        lateral_brow_loss: share of the hairs that the outer half of the brows lacks.
        bridge_edges: distance of the edges of the nasal bridge beyond usual; side.
        bridge_height: nasal bridge further forward.
        tip_roundness: ball of the tip of the nose.
        columella_shortness: middle of the base of the nose higher; side.
        lower_lip_fullness: height of the lower lip; relative.
        lower_lip_eversion: lower lip turned out.
        tongue: length of the tongue outside the mouth.
        open_bite: distance between the front teeth.
        tooth_spacing: width of the gaps between the teeth.
        tooth_smallness: part of the teeth's height and width that is missing.
    """

    face_length: float = 0.0
    chin_drop: float = 0.0
    chin_point: float = 0.0
    cranium_smallness: float = 0.0
    forehead_breadth: float = 0.0
    forehead_height: float = 0.0
    skin_pallor: float = 0.0
    hair_fairness: float = 0.0
    coarseness: float = 0.0
    midface_retrusion: float = 0.0
    neck_web: float = 0.0
    ear_rotation: float = 0.0
    ear_protrusion: float = 0.0
    helix_folding: float = 0.0
    helix_thickness: float = 0.0
    earlobe_smallness: float = 0.0
    epicanthus: float = 0.0
    ptosis: float = 0.0
    telecanthus: float = 0.0
    squint: float = 0.0
    iris_pallor: float = 0.0
    fissure_smallness: float = 0.0
    proptosis: float = 0.0
    lid_eversion: float = 0.0
    lash_length: float = 0.0
    brow_shift: float = 0.0
    lateral_brow_loss: float = 0.0
    bridge_edges: float = 0.0
    bridge_height: float = 0.0
    tip_roundness: float = 0.0
    columella_shortness: float = 0.0
    lower_lip_fullness: float = 0.0
    lower_lip_eversion: float = 0.0
    tongue: float = 0.0
    open_bite: float = 0.0
    tooth_spacing: float = 0.0
    tooth_smallness: float = 0.0


NO_SIGNS = Signs()
