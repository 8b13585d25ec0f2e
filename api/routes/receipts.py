"""Route of receipts, which remain of photographs that their owners erased."""

from __future__ import annotations

from fastapi import APIRouter

from api.dependencies import KnownReceipt
from api.documented_responses import problem
from api.representations import describe_receipt
from api.schemas.photographs import ReceiptOut

router = APIRouter(prefix="/v1/receipts", tags=["photographs"])


@router.get(
    "/{photo_id}",
    response_model=ReceiptOut,
    operation_id="show_v1_receipts__photo_id__get",
    summary="The receipt of an erasure",
    responses={404: problem("You erased no such photograph, or its time was over, which leaves no receipt.")},
)
def show_receipt(receipt: KnownReceipt) -> ReceiptOut:
    """The receipt that `DELETE /v1/photos/{photo_id}` answered with."""
    return describe_receipt(receipt)
