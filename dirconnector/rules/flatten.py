"""Nested groups become flat ones. Cycles are legal in directories and simply mean: the same people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dirconnector.model import Group

_EMPTY: frozenset[str] = frozenset()


def flatten(groups: Mapping[str, Group]) -> dict[str, frozenset[str]]:
    """Group key -> keys of all users in it, directly or through subgroups at any depth.

    Groups that contain each other share one set. Subgroups that were not read are ignored. Linear in groups and
    memberships as long as nesting is shallow: a group's set is built once and shared where it is the same.
    """
    members: dict[str, frozenset[str]] = {}
    for component in _components(groups):
        inside = frozenset(component)
        below = {sub for key in component for sub in groups[key].subgroups if sub in groups and sub not in inside}
        parts = [groups[key].members for key in component if groups[key].members]
        parts += [members[sub] for sub in below if members[sub]]
        whole = parts[0] if len(parts) == 1 else _EMPTY.union(*parts)
        for key in component:
            members[key] = whole
    return members


def _components(groups: Mapping[str, Group]) -> Iterator[list[str]]:
    """Strongly connected components, subgroups before the groups that hold them (Tarjan 1972, without recursion)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    for root, group in groups.items():
        if root in index:
            continue
        if not group.subgroups:
            index[root] = low[root] = len(index)
            yield [root]
            continue
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        work = [(root, iter(group.subgroups))]
        while work:
            key, subs = work[-1]
            for sub in subs:
                if sub not in groups:
                    continue
                if sub not in index:
                    index[sub] = low[sub] = len(index)
                    stack.append(sub)
                    on_stack.add(sub)
                    work.append((sub, iter(groups[sub].subgroups)))
                    break
                if sub in on_stack:
                    low[key] = min(low[key], index[sub])
            else:
                work.pop()
                if work:
                    parent = work[-1][0]
                    low[parent] = min(low[parent], low[key])
                if low[key] == index[key]:
                    component = []
                    while True:
                        top = stack.pop()
                        on_stack.discard(top)
                        component.append(top)
                        if top == key:
                            break
                    yield component


def path(groups: Mapping[str, Group], top: str, user: str) -> list[str]:
    """The shortest chain of group keys from ``top`` down to a group that has ``user`` as a direct member; empty
    when there is none.
    """
    came_from: dict[str, str] = {top: ""}
    level = [top]
    while level:
        below: list[str] = []
        for key in level:
            if user in groups[key].members:
                chain = [key]
                while came_from[chain[-1]]:
                    chain.append(came_from[chain[-1]])
                return chain[::-1]
            for sub in sorted(groups[key].subgroups):
                if sub in groups and sub not in came_from:
                    came_from[sub] = key
                    below.append(sub)
        level = below
    return []
