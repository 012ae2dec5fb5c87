"""What alert rules mean, written a second time: slowly, from all observations anew at every moment, in fractions.

Nothing here is shared with the product but the shapes of rules. ``told`` answers what a user is told, and when.
"""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

from chalicelib.domain.rules import All, AnyOf, Compared, Not, Stale, leaves

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def told(rule, path, start, end):
    """[(state, at)] for a rule that exists from ``start`` to ``end``; ``path``: [(at, topic, value)] in order of time.

    At one moment observations come first, then what is stale by then, then what is due.
    """
    over = rule.expires_at if rule.expires_at and rule.expires_at <= end else None
    life = _Life(rule)
    stale = [leaf for leaf in leaves(rule.when) if isinstance(leaf, Stale)]
    moments = [(at, 0, index) for index, (at, topic, _) in enumerate(path) if topic in _topics(rule)]
    moments += [
        (at + timedelta(seconds=leaf.over_s), 1, 0) for leaf in stale for at, topic, _ in path if topic == leaf.topic
    ]
    moments = sorted(moment for moment in moments if moment[0] >= start or moment[1] == 0)
    known = [path[index] for at, kind, index in moments if kind == 0 and at < start]
    life.look(start, known, None)
    for at, kind, index in [moment for moment in moments if moment[0] >= start]:
        if at > end or (over and at >= over):
            break
        while life.due and life.due < at:
            life.time_up(known)
        if kind == 0:
            known.append(path[index])
            life.look(at, known, path[index][1])
        else:
            life.look(at, known, None)
    while life.due and (life.due < over if over else life.due <= end):
        life.time_up(known)
    if over and life.phase == "firing":
        life.tell("resolved", over)
    return life.told


class _Life:
    def __init__(self, rule):
        self.rule, self.phase, self.due, self.fired, self.told = rule, "armed", None, None, []

    def tell(self, state, at):
        self.told.append((state, at))

    def look(self, at, known, moved):
        holds = truth(self.rule.when, known, at, moved, 0) is True
        lingers = truth(self.rule.when, known, at, None, 1) is not False
        if self.phase == "firing" and not lingers:
            self.tell("resolved", at)
            cool = self.fired + timedelta(seconds=self.rule.cooldown_s)
            if self.rule.once:
                self.phase = "ended"
            elif cool > at:
                self.phase, self.due = "cooling", cool
            else:
                self.phase = "armed"
        elif self.phase == "pending" and not holds:
            self.phase, self.due = "armed", None
        elif self.phase == "armed" and holds and self.rule.for_s:
            self.phase, self.due = "pending", at + timedelta(seconds=self.rule.for_s)
        elif self.phase == "armed" and holds:
            self.fire(at)

    def time_up(self, known):
        at, phase, self.due, self.phase = self.due, self.phase, None, "armed"
        if phase == "pending":
            self.fire(at)
        else:
            self.look(at, known, None)

    def fire(self, at):
        self.phase, self.fired = "firing", at
        self.tell("firing", at)


def truth(when, known, at, moved, slack):
    """True, False or None (not known). ``moved``: the topic whose newest observation is being looked at."""
    match when:
        case All(of=parts):
            found = [truth(part, known, at, moved, slack) for part in parts]
            return False if False in found else None if None in found else True
        case AnyOf(of=parts):
            found = [truth(part, known, at, moved, slack) for part in parts]
            return True if True in found else None if None in found else False
        case Not(of=part):
            found = truth(part, known, at, moved, -slack)
            return None if found is None else not found
        case Stale(topic=topic, over_s=over_s):
            times = [seen for seen, of, _ in known if of == topic]
            return at >= times[-1] + timedelta(seconds=over_s) if times else None
        case Compared():
            return _compared(when, known, moved, slack)


def _compared(leaf, known, moved, slack):
    figures = _figures(leaf, known)
    if not figures or figures[-1] is None:
        return None
    up = 1 if leaf.is_ in ("above", "crosses_up") else -1
    bound = up * (Fraction(leaf.value) - up * slack * Fraction(leaf.margin))
    is_beyond = up * figures[-1] > bound
    if leaf.is_ in ("above", "below") or slack:
        return is_beyond
    was = figures[-2] if len(figures) > 1 and moved == leaf.topic else None
    return was is not None and is_beyond and not up * was > bound


def _figures(leaf, known):
    """The figure of a leaf at the last two observations of its topic."""
    seen = [(at, Fraction(value)) for at, topic, value in known if topic == leaf.topic]
    return [_figure(leaf, seen[: len(seen) - back]) for back in (1, 0) if len(seen) > back]


def _figure(leaf, seen):
    at, value = seen[-1]
    if leaf.of == "value":
        return value
    last_of_bucket = {(then - EPOCH) // timedelta(seconds=leaf.over_s // 60): (then, old) for then, old in seen}
    old = [old for then, old in last_of_bucket.values() if then <= at - timedelta(seconds=leaf.over_s)]
    if not old or (leaf.of == "change_pct" and not old[-1]):
        return None
    return value - old[-1] if leaf.of == "change_abs" else (value - old[-1]) * 100 / abs(old[-1])


def _topics(rule):
    return {leaf.topic for leaf in leaves(rule.when)}
