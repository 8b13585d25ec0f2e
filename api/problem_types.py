"""Every kind of problem that the service answers with: its URI, status, meaning and remedy.

docs/problems.md lists them; a test holds the page to this table.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from api.refusal_reasons import Reason

URI_PREFIX: Final = "urn:gestaltgen:problem:"


class ProblemType(Enum):
    """A kind of problem. Its URI never changes its meaning.

    Attributes:
        slug: last part of the URI.
        status: HTTP status code.
        reason: label in the metrics.
        meaning: one sentence that says what is wrong.
        remedy: one sentence that says what to do.
    """

    BODY_NOT_JSON = (
        "body-not-json",
        400,
        "malformed",
        "The body is not JSON that can be read.",
        "Send a complete JSON object in UTF-8.",
    )
    BODY_EMPTY = (
        "body-empty",
        400,
        "malformed",
        "The body is empty, and a picture was expected.",
        "Send the bytes of the file as the body: `curl --data-binary @face.jpg`.",
    )
    HEADER_INVALID = (
        "header-invalid",
        400,
        "malformed",
        "A header has a value that cannot be used.",
        "Send 1 to 255 printable ASCII characters.",
    )
    API_KEY_MISSING = (
        "api-key-missing",
        401,
        "no_key",
        "The request has no API key.",
        "Send `Authorization: Bearer KEY`; `gestaltgen keys create` makes a key.",
    )
    API_KEY_INVALID = (
        "api-key-invalid",
        401,
        "no_key",
        "The API key is unknown, expired or revoked.",
        "Ask the operator for a new key.",
    )
    SCOPE_MISSING = (
        "scope-missing",
        403,
        "other_scope",
        "The API key does not have the scope that the request needs.",
        "Use a key with one of the scopes that `detail` names.",
    )
    SITE_REFUSED = (
        "site-refused",
        403,
        "other_scope",
        "The service runs without keys, and the request is for another host or comes from another site.",
        "Use `http://127.0.0.1:PORT`, or a service with keys.",
    )
    FORM_REFUSED = (
        "form-refused",
        403,
        "other_scope",
        "A form of the studio was not sent from its own page, or its session is over.",
        "Open the page anew, and send the form again.",
    )
    NO_MODEL_ALLOWED = (
        "no-model-allowed",
        403,
        "other_scope",
        "None of the models that the tenant may use is served here.",
        "Ask the operator to allow a model that is served.",
    )
    TENANT_IMAGES_EXCEEDED = (
        "tenant-images-exceeded",
        403,
        "too_many_images",
        "The image set alone has more images than the tenant may have waiting.",
        "Ask for several smaller sets, one after the other.",
    )
    TENANT_STORAGE_FULL = (
        "tenant-storage-full",
        403,
        "no_room",
        "The tenant stores as many bytes as it may.",
        "Delete image sets or photographs, or ask the operator for more room.",
    )
    PATH_NOT_FOUND = (
        "path-not-found",
        404,
        "not_found",
        "The service has nothing at this path.",
        "Compare the path with `/openapi.json` or `/docs`.",
    )
    IMAGE_SET_NOT_FOUND = (
        "image-set-not-found",
        404,
        "not_found",
        "There is no such image set, or it belongs to another owner.",
        "List your sets with `GET /v1/image-sets`, or post the request again.",
    )
    IMAGE_NOT_FOUND = (
        "image-not-found",
        404,
        "not_found",
        "The image set has no image of this number.",
        "Use a number from 0 to `total` - 1.",
    )
    SHARD_NOT_FOUND = (
        "shard-not-found",
        404,
        "not_found",
        "The image set has no shard of this number.",
        "Use a number from 0 to `shards` - 1.",
    )
    SELECTION_NOT_FOUND = (
        "selection-not-found",
        404,
        "not_found",
        "Nothing was left out of the image set.",
        "Ask for the set with a minimum, such as `min_condition`, if images shall be left out.",
    )
    JOB_NOT_FOUND = (
        "job-not-found",
        404,
        "not_found",
        "There is no such job, or it belongs to another owner.",
        "List your jobs with `GET /v1/jobs`.",
    )
    MODEL_NOT_FOUND = (
        "model-not-found",
        404,
        "not_found",
        "There is no such generator.",
        "List the generators with `GET /v1/models`.",
    )
    KEY_NOT_FOUND = (
        "key-not-found",
        404,
        "not_found",
        "There is no such API key.",
        "List the keys with `GET /v1/keys`.",
    )
    PHOTO_NOT_FOUND = (
        "photo-not-found",
        404,
        "not_found",
        "There is no such photograph: it never was, belongs to another owner, or has been erased.",
        "List your photographs with `GET /v1/photos`.",
    )
    ORIGINAL_NOT_KEPT = (
        "original-not-kept",
        404,
        "not_found",
        "The file that was uploaded is not kept.",
        "Upload with `keep_original=true` where the file has to stay.",
    )
    EDIT_NOT_FOUND = (
        "edit-not-found",
        404,
        "not_found",
        "There is no such edit of this face, or it has been erased.",
        "List the edits with `GET …/edits`.",
    )
    SURVEY_PACK_NOT_FOUND = (
        "survey-pack-not-found",
        404,
        "not_found",
        "There is no such survey pack, or it has been erased.",
        "Make one with `POST /v1/stimuli`.",
    )
    EXPLANATION_NOT_FOUND = (
        "explanation-not-found",
        404,
        "not_found",
        "There is no such explanation, or no map by this method in it, or it has been erased.",
        "List the explanations of a face with `GET …/explanations`, or make one with `POST /v1/explanations`.",
    )
    ASSESSMENT_NOT_FOUND = (
        "assessment-not-found",
        404,
        "not_found",
        "There is no such assessment, or it has been erased.",
        "List the assessments of a photograph with `GET …/assessments`, or make one with `POST /v1/assessments`.",
    )
    NOT_IN_COHORT = (
        "not-in-cohort",
        404,
        "not_found",
        "The photograph is not in the cohort.",
        "Add it with `PUT …/cohort`.",
    )
    METHOD_NOT_ALLOWED = (
        "method-not-allowed",
        405,
        "other_method",
        "The path does not accept this method.",
        "Use one of the methods in the header `Allow`.",
    )
    BODY_TOO_SLOW = (
        "body-too-slow",
        408,
        "too_slow",
        "The body took longer to arrive than the service waits.",
        "Send it over a faster connection, or make the picture smaller.",
    )
    IMAGE_SET_NOT_READY = (
        "image-set-not-ready",
        409,
        "not_possible_now",
        "The image set is still being made; its files can be fetched when it is done.",
        "Wait: repeat the request after `Retry-After` seconds, or follow the job.",
    )
    IMAGE_SET_STOPPED = (
        "image-set-stopped",
        409,
        "not_possible_now",
        "The last job of the image set failed or was cancelled.",
        "Post the request of the set again; it continues where it stopped.",
    )
    WEIGHTS_NOT_SERVED = (
        "weights-not-served",
        409,
        "not_possible_now",
        "The image set was made with weights that the service does not have any more.",
        "Fetch the manifest and the single images, or ask the operator for the weights.",
    )
    IMAGE_FORMAT_UNAVAILABLE = (
        "image-format-unavailable",
        409,
        "not_possible_now",
        "The stored image has no provenance, and the service makes no other format without it.",
        "Fetch it as `png`.",
    )
    PHOTO_NOT_READY = (
        "photo-not-ready",
        409,
        "not_possible_now",
        "The photograph is not inverted.",
        "Wait for its job; if that failed, `detail` says why.",
    )
    EDIT_NOT_READY = (
        "edit-not-ready",
        409,
        "not_possible_now",
        "The edit is not done.",
        "Wait for its job.",
    )
    SURVEY_PACK_NOT_READY = (
        "survey-pack-not-ready",
        409,
        "not_possible_now",
        "The survey pack is not done.",
        "Wait for its job.",
    )
    EXPLANATION_NOT_READY = (
        "explanation-not-ready",
        409,
        "not_possible_now",
        "The map is not computed yet.",
        "Wait for the job of the explanation.",
    )
    ASSESSMENT_NOT_READY = (
        "assessment-not-ready",
        409,
        "not_possible_now",
        "The photograph is not assessed yet.",
        "Wait for the job of the assessment.",
    )
    CONSENT_TOO_NARROW = (
        "consent-too-narrow",
        409,
        "not_possible_now",
        "The person shown has not agreed to a use of the photograph in the cohort.",
        "Ask the person, and send the photograph again with the header `Consent-Scope: cohort` if they agree.",
    )
    BODY_TOO_LARGE = (
        "body-too-large",
        413,
        "too_large",
        "The body is larger than the service accepts.",
        "Send less; `detail` says how much is accepted.",
    )
    BODY_NOT_DECLARED_JSON = (
        "body-not-declared-json",
        415,
        "media_type",
        "The header `Content-Type` does not say that the body is JSON.",
        "Send `Content-Type: application/json`.",
    )
    BODY_IS_FORM = (
        "body-is-form",
        415,
        "media_type",
        "The body is a form (multipart/form-data), and the bytes of a picture were expected.",
        "Send the bytes of the file as the body: `curl --data-binary @face.jpg`, and not `curl -F`.",
    )
    PICTURE_FORMAT_UNKNOWN = (
        "picture-format-unknown",
        415,
        "media_type",
        "The body is not a JPEG, PNG or WebP file.",
        "Send the bytes of the file as the body, in one of these formats; no form, no other encoding.",
    )
    RANGE_OUTSIDE_FILE = (
        "range-outside-file",
        416,
        "range",
        "The header `Range` asks for bytes after the end of the file.",
        "Ask for bytes within the size that `Content-Range` names.",
    )
    REQUEST_INVALID = (
        "request-invalid",
        422,
        "invalid",
        "A field or a parameter has a value that cannot be used.",
        "Correct the fields that `errors` names; each entry says what is accepted.",
    )
    QUERY_PARAMETER_UNKNOWN = (
        "query-parameter-unknown",
        422,
        "invalid",
        "The path has no query parameter of this name.",
        "Use one of the names that `errors` lists.",
    )
    IMAGE_SET_TOO_LARGE = (
        "image-set-too-large",
        422,
        "invalid",
        "The image set would have more images than the service accepts in one set.",
        "Ask for several sets, with different seeds.",
    )
    IDEMPOTENCY_KEY_REUSED = (
        "idempotency-key-reused",
        422,
        "invalid",
        "The `Idempotency-Key` was used for another request.",
        "Use a new key for a new request.",
    )
    PICTURE_UNUSABLE = (
        "picture-unusable",
        422,
        "bad_picture",
        "The picture is broken, animated, too large, or cannot be decoded.",
        "Export it again as an ordinary JPEG or PNG.",
    )
    TOO_MANY_REQUESTS = (
        "too-many-requests",
        429,
        "too_many_requests",
        "The tenant has used up its requests per minute.",
        "Repeat the request after `Retry-After` seconds.",
    )
    TOO_MANY_AT_ONCE = (
        "too-many-at-once",
        429,
        "too_many_requests",
        "The owner has as many requests of this kind in progress as it may.",
        "Repeat the request after `Retry-After` seconds, when others of yours are answered.",
    )
    TOO_MANY_JOBS = (
        "too-many-jobs",
        429,
        "too_many_jobs",
        "The owner has as many unfinished jobs as it may.",
        "Wait until some are done, or cancel some.",
    )
    TOO_MANY_IMAGES = (
        "too-many-images",
        429,
        "too_many_images",
        "The tenant would have more images waiting than it may.",
        "Wait until some are done, or cancel some.",
    )
    INTERNAL_ERROR = (
        "internal-error",
        500,
        "failure",
        "The service failed unexpectedly.",
        "Repeat the request; if it fails again, ask the operator, whose log says why.",
    )
    QUEUE_FULL = (
        "queue-full",
        503,
        "queue_full",
        "The service has as many unfinished jobs as it accepts.",
        "Repeat the request after `Retry-After` seconds.",
    )
    MODEL_BUSY = (
        "model-busy",
        503,
        "busy",
        "Too many small requests wait for the model.",
        "Repeat the request after `Retry-After` seconds, or without `Prefer: wait`.",
    )
    MODELS_LOADING = (
        "models-loading",
        503,
        "loading",
        "The weights are being loaded.",
        "Repeat the request after `Retry-After` seconds.",
    )
    MODEL_UNUSABLE = (
        "model-unusable",
        503,
        "broken_model",
        "The weights cannot be loaded, or the model cannot render an image.",
        "Ask the operator, whose log says why.",
    )
    NO_CLASSIFIER_SERVED = (
        "no-classifier-served",
        503,
        "broken_model",
        "The service has no classifier whose answers it could explain.",
        "Ask the operator to name a folder of classifiers as `GESTALTGEN_CLASSIFIERS`.",
    )
    NO_SYNDROME_SERVED = (
        "no-syndrome-served",
        503,
        "broken_model",
        "The service has no trained model of a syndrome.",
        "Ask the operator to name a folder of trained models as `GESTALTGEN_SYNDROMES`.",
    )
    DATABASE_UNAVAILABLE = (
        "database-unavailable",
        503,
        "database",
        "The database cannot be used now.",
        "Repeat the request after `Retry-After` seconds.",
    )
    STORAGE_UNAVAILABLE = (
        "storage-unavailable",
        503,
        "broken_model",
        "The store of images and photographs cannot be reached, or refuses.",
        "Repeat the request later; if it fails again, ask the operator.",
    )
    AUDIT_UNAVAILABLE = (
        "audit-unavailable",
        503,
        "broken_model",
        "The access cannot be recorded in the audit record, and is therefore refused.",
        "Ask the operator, who has to make room or mend the record.",
    )
    CERTIFICATE_EXPIRED = (
        "certificate-expired",
        503,
        "failure",
        "The certificate that signs pictures has expired, and no picture leaves unsigned.",
        "Ask the operator to renew the certificate.",
    )
    OTHER = (
        "other",
        400,
        "other",
        "The request failed for a reason without a type of its own; the status says which.",
        "Read `detail`.",
    )

    def __init__(self, slug: str, status: int, reason: Reason, meaning: str, remedy: str) -> None:
        self.slug = slug
        self.status = status
        self.reason: Reason = reason
        self.meaning = meaning
        self.remedy = remedy

    @property
    def uri(self) -> str:
        """The `type` of the problem document."""
        return URI_PREFIX + self.slug

    @property
    def title(self) -> str:
        """The `title` of the problem document: the same for every problem of the type."""
        return self.slug.replace("-", " ").capitalize().replace("Api ", "API ").replace(" json", " JSON")
