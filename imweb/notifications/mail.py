"""E-mails: plain text, so that what came with an incident stays text; who may see what is asked when one is sent."""

from __future__ import annotations

import smtplib
import unicodedata
from collections.abc import Sequence
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection

from imweb.accounts.actor import Actor, actor_of
from imweb.accounts.models import HELD, User
from imweb.incidents import access
from imweb.notifications.links import link_to
from imweb.notifications.matching import read, said, shown
from imweb.notifications.models import Delivery
from imweb.notifications.rules import NotificationRule
from imweb.notifications.webhook import Outcome

Json = dict[str, Any]
NOBODY = Outcome(False, "its recipient may not see this any more, may not sign in, or is gone", final=True)
MAX_SUBJECT = 150
MAX_VALUE = 300
WORDS = {
    "new_incident": "New incident",
    "new_group": "New group",
    "status": "Status changed",
    "assignment": "Assignment",
    "mention": "Mention",
}
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def send(delivery: Delivery, rule: NotificationRule) -> Outcome:
    """Send one e-mail; what its recipient may not see now is not in it."""
    if not settings.IM_EMAIL:
        return Outcome(False, "no mail server is set; IM_EMAIL_URL names one")
    users = User.objects.prefetch_related(*HELD).filter(is_active=True)
    user = users.filter(pk=delivery.user_id).first() if delivery.user_id else None
    if user is None:
        return NOBODY
    if not user.email:
        return Outcome(False, f"{user.username} has no e-mail address", final=True)
    lines = [line.data for line in delivery.lines.all() if line.data is not None]
    if delivery.is_test:
        subject, text = f"[test] {rule.title}", "This is a test of a notification rule; nothing happened."
    else:
        told = visible(actor_of(user), lines)
        if not told:
            return NOBODY
        lost = len(lines) - len(told)
        subject, text = written(rule, told, delivery.count - lost)
    return _hand_over(delivery, user, subject, text)


def visible(actor: Actor, lines: Sequence[Json]) -> list[tuple[Json, Json]]:
    """Return the events whose object an actor may see now, each with what may be said of its object."""
    sources = read({data["key"] for data in lines})
    return [
        (told, shown(source, actor.hidden))
        for data in lines
        if (source := sources.get(data["key"])) is not None
        and access.visible(actor, source)
        and (told := said(data, actor.hidden)) is not None
    ]


def written(rule: NotificationRule, told: Sequence[tuple[Json, Json]], count: int) -> tuple[str, str]:
    """Return subject and text of an e-mail about events, of which `count` happened."""
    first, about = told[0]
    what = ", ".join(WORDS.get(name, name) for name in first["events"])
    if count == 1:
        subject = f"[{_line(about.get('severity', ''))}] {what}: {_line(about.get('title', ''))}"
    else:
        subject = f"{rule.title}: {count} events"
    parts = [_told(data, source) for data, source in told]
    if count > len(told):
        parts.append(f"… and {count - len(told)} more, not listed here.")
    foot = f"-- \nSent by the notification rule “{_line(rule.title)}”."
    if settings.IM_PUBLIC_URL:
        foot += f"\n{settings.IM_PUBLIC_URL}/notifications/"
    return subject, "\n\n".join([*parts, foot]) + "\n"


def _told(data: Json, source: Json) -> str:
    what = ", ".join(WORDS.get(name, name) for name in data["events"])
    lines = [f"{what}: {_line(source.get('title', ''))}"]
    state = [str(source[name]) for name in ("severity", "status", "reviewer") if source.get(name)]
    lines.append(f"  {_line(' · '.join(state))}")
    for edit in data.get("edited", ()):
        old, new = (_line(edit.get(name) or "—") for name in ("oldValue", "newValue"))
        lines.append(f"  {_line(edit.get('fieldName', ''))}: {old} → {new}")
    if data.get("comment"):
        lines += [f"  > {plain(line)}" for line in str(data["comment"]).splitlines()[:40]]
    lines.append(f"  {_line(data['user'])}, {data['time']}")
    lines.append(f"  {link_to(data['key'])}")
    return "\n".join(lines)


def _hand_over(delivery: Delivery, user: User, subject: str, text: str) -> Outcome:
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    headers = {
        # The same at every try, by which a mail server or reader knows a double.
        "Message-ID": f"<{delivery.pk}@{domain}>",
        "Auto-Submitted": "auto-generated",
    }
    message = EmailMessage(
        _line(subject, MAX_SUBJECT),
        text,
        to=[user.email],
        headers=headers,
        connection=get_connection(timeout=settings.IM_NOTIFY_TIMEOUT),
    )
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused as error:
        code, answer = next(iter(error.recipients.values()))
        reason = f"{code}: the mail server refuses {user.email}: {answer.decode(errors='replace')}"
        return Outcome(False, reason, status=code, final=code >= 500)
    except (smtplib.SMTPException, OSError) as error:
        return Outcome(False, f"the mail server did not take it: {type(error).__name__} {error}")
    except ValueError as error:
        return Outcome(False, f"it cannot be written: {error}", final=True)
    return Outcome(True)


def plain(text: str) -> str:
    """Return a text with what cannot be seen, line breaks included, spelled out as U+XXXX."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(f"⟨U+{ord(c):04X}⟩" if unicodedata.category(c) in _UNSEEN else c for c in text)


def _line(value: Any, limit: int = MAX_VALUE) -> str:
    text = " ".join(str(value).split())
    return plain(text if len(text) <= limit else text[: limit - 1] + "…")
