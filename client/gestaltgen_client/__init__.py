"""Client of the gestaltgen service: labelled image sets, photographs, and what is made from these.

This package needs httpx alone, and works without the service's own code. Pixels need the extra `images` (numpy,
Pillow). No image of a set is handed out unless its sha256 matches the manifest. All images are synthetic or edited:
they are no basis for a diagnosis. For example::

    client = Client("http://127.0.0.1:8000")  # the API key is read from GESTALTGEN_KEY
    image_set = client.create(kind="age_progression", conditions=["WS"], count=20).wait()
    for item in image_set:
        train(item.array(), item.soft_label)

    photo = client.send_photo("face.jpg", consent="study-7/form-12", purpose="survey stimuli").wait()
    edit = photo.edit(smile=0.2).wait()
    edit.result["verdict"], edit.image()
    photo.erase()
"""

from gestaltgen_client.assessments import Assessment
from gestaltgen_client.client import Client
from gestaltgen_client.connection import Connection
from gestaltgen_client.errors import ChecksumError, JobError, ServiceError
from gestaltgen_client.explanations import Explanation
from gestaltgen_client.image_sets import ImageSet, Item
from gestaltgen_client.photographs import Edit, Pack, Photo

__all__ = [
    "Assessment",
    "ChecksumError",
    "Client",
    "Connection",
    "Edit",
    "Explanation",
    "ImageSet",
    "Item",
    "JobError",
    "Pack",
    "Photo",
    "ServiceError",
]
