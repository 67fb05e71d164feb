"""The matrix as a layer of MITRE's ATT&CK Navigator, format 4.5.

https://github.com/mitre-attack/attack-navigator/blob/master/layers/spec/v4.5/layerformat.md
"""

from __future__ import annotations

from typing import Any

from imweb.incidents import mitre
from imweb.incidents.figures.attack import AttackFigures, Count

Json = dict[str, Any]
LAYER, NAVIGATOR, DOMAIN = "4.5", "5.2.0", "enterprise-attack"
# The light theme's scale from its first to its last colour (static/css/figures.css).
COLORS = ("#dcebf9", "#0b4a86")


def layer(figures: AttackFigures, name: str, description: str, *, hosts: bool = False) -> Json:
    """Return the layer: the score of a technique is its count, of a parent with its sub-techniques each once.

    No technique names a tactic, so that its score stands under every tactic that it belongs to, as on the page. Ids
    outside the matrix (retired and unknown ones) are in the layer's metadata: Navigator would drop them silently.
    """
    scores = [_technique(key, figures, count, hosts) for key, count in sorted(figures.techniques.items())]
    others = {**figures.retired, **{count.ids[0]: count for count in figures.unknown}}
    metadata = [
        {"name": "counted", "value": "distinct hosts" if hosts else "incidents"},
        {"name": "incidents", "value": str(figures.total)},
        {"name": "incidents with ATT&CK ids", "value": str(figures.tagged)},
        *(
            {"name": f"not in ATT&CK {mitre.attack_version()}: {key}", "value": str(_number(count, hosts))}
            for key, count in sorted(others.items())
        ),
    ]
    return {
        "name": name,
        "versions": {"attack": mitre.attack_version(), "navigator": NAVIGATOR, "layer": LAYER},
        "domain": DOMAIN,
        "description": description,
        "sorting": 3,
        "layout": {
            "layout": "side",
            "showID": True,
            "showName": True,
            "showAggregateScores": False,
            "countUnscored": False,
            "aggregateFunction": "max",
            "expandedSubtechniques": "none",
        },
        "hideDisabled": False,
        "techniques": scores,
        "gradient": {
            "colors": list(COLORS),
            "minValue": 0,
            "maxValue": max((item["score"] for item in scores), default=0) or 1,
        },
        "legendItems": [],
        "metadata": metadata,
        "links": [],
        "showTacticRowBackground": False,
        "tacticRowBackground": "#dddddd",
        "selectTechniquesAcrossTactics": True,
        "selectSubtechniquesWithParent": False,
        "selectVisibleTechniques": False,
    }


def _technique(key: str, figures: AttackFigures, count: Count, hosts: bool) -> Json:
    own = figures.alone.get(key)
    below = count.ids != (own.ids if own else ())
    text = f"{count.incidents:,} incidents"
    if count.hosts is not None:
        text += f" on {count.hosts:,} hosts"
    is_parent = "." not in key
    if is_parent and below:
        text += f"; {own.incidents if own else 0:,} name the technique itself"
    found: Json = {"techniqueID": key, "score": _number(count, hosts), "comment": text, "enabled": True}
    return found | ({"showSubtechniques": False} if is_parent and below else {})


def _number(count: Count, hosts: bool) -> int:
    return (count.hosts or 0) if hosts else count.incidents
