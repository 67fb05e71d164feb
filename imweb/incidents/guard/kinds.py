"""Why a clause kind that OpenSearch knows is not among those that are allowed."""

from django.utils.translation import gettext_lazy as _

_SCRIPT = _("scripts are not allowed")
_FOREIGN = _("it can read documents outside this request, so it is not allowed")
_HIDDEN = _("it hides what it asks, so it is not allowed")
_JOIN = _("incidents have no parent or child documents; filter on their fields")
_NESTED = _("incidents have no nested fields; filter on their fields")
_POSITION = _("positions are not offered; use match_phrase with slop")
_SCORE = _("results are not ordered by score; use the clause that it wraps")
_GEO = _("incidents have no geographic fields")
_VECTOR = _("incidents have no vector fields")

REFUSED = {
    **dict.fromkeys(("script", "script_score", "function_score", "template", "scripted_metric"), _SCRIPT),
    **dict.fromkeys(
        ("more_like_this", "mlt", "percolate", "terms_set", "join", "type", "terms_lookup", "bitmap"), _FOREIGN
    ),
    **dict.fromkeys(("wrapper", "agentic", "sltr", "common", "field_masking_span"), _HIDDEN),
    **dict.fromkeys(("has_child", "has_parent", "parent_id"), _JOIN),
    "nested": _NESTED,
    **dict.fromkeys(
        (
            *("intervals", "span_term", "span_near", "span_or", "span_not", "span_first", "span_containing"),
            *("span_within", "span_multi", "span_gap"),
        ),
        _POSITION,
    ),
    **dict.fromkeys(("rank_feature", "distance_feature", "pinned", "rank_eval", "combined_fields"), _SCORE),
    **dict.fromkeys(
        ("geo_shape", "geo_bounding_box", "geo_distance", "geo_polygon", "geohash_cell", "xy_shape", "shape"), _GEO
    ),
    **dict.fromkeys(
        ("knn", "neural", "neural_sparse", "neural_knn", "neural_query_enricher", "hybrid", "sparse_vector"), _VECTOR
    ),
}
