"""Packs that installed packages offer, by an entry point of the group ``safepickle.policies``.

Rules that hold here:

* Nothing is picked up silently: a pack is looked for when somebody names it.
* No code of the package runs. The entry point's value says where the file is: ``"acme.policies:acme.toml"`` is the file
  ``acme/policies/acme.toml`` of that distribution, and of no other.
* Two distributions that offer one name are an error, not a matter of luck.

In the package's ``pyproject.toml``::

    [project.entry-points."safepickle.policies"]
    acme = "acme.policies:acme.toml"
"""

from __future__ import annotations

from pathlib import Path

from ..errors import PolicyFileError, quote

__all__ = ["GROUP", "offered_pack"]

GROUP = "safepickle.policies"


def offered_pack(name: str) -> Path | None:
    """Return the file of the pack that an installed package offers under this name, or None.

    :raises PolicyFileError: if several do, or the file is not there.
    """
    # It reads the metadata of every installed distribution: only for a name that is not one of ours.
    from importlib.metadata import entry_points

    offers = tuple(entry_points(group=GROUP, name=name))
    if not offers:
        return None
    values = {(offer.value, offer.dist.name if offer.dist is not None else "") for offer in offers}
    if len(values) > 1:
        whose = ", ".join(sorted(quote(dist) for _, dist in values))
        raise PolicyFileError(f"the pack {quote(name)} is offered by several packages: {whose}; uninstall all but one")
    offer = offers[0]
    if offer.dist is None or not (offer.attr or "").endswith(".toml"):
        raise PolicyFileError(
            f'the pack {quote(name)} is offered as {quote(offer.value)}; it wants "package.folder:file.toml"'
        )
    path = Path(str(offer.dist.locate_file("/".join([*offer.module.split("."), offer.attr]))))
    if not path.is_file():
        raise PolicyFileError(f"the pack {quote(name)} of {quote(offer.dist.name)} is not there: {quote(str(path))}")
    return path
