"""The ways to users: their endpoints, and what tells alerts to these."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.container.alerts import Alerts
from chalicelib.container.clients import utc_now

if TYPE_CHECKING:
    from chalicelib.adapters.email import SesEmails
    from chalicelib.adapters.webhooks import HttpWebhooks
    from chalicelib.services.endpoints import ManageEndpoints
    from chalicelib.services.links import Links
    from chalicelib.services.notify import Notify


class Notifications(Alerts):
    """Webhooks and e-mail."""

    @cached_property
    def endpoints(self) -> ManageEndpoints:
        from chalicelib.services.endpoints import ManageEndpoints

        return ManageEndpoints(
            store=self.endpoint_store,
            log=self.delivery_log,
            webhooks=self._webhooks,
            timers=self.timers,
            links=self._links,
            has_email=bool(self.settings.email_sender),
            now=utc_now,
        )

    @cached_property
    def notify(self) -> Notify:
        from chalicelib.services.notify import Notify
        from chalicelib.services.telling import TellAlert
        from chalicelib.services.verifying import VerifyEndpoint

        tell = TellAlert(
            store=self.endpoint_store,
            log=self.delivery_log,
            webhooks=self._webhooks,
            emails=self._emails,
            states=self.alert_states,
            requests=self.requests,
            timers=self.timers,
            links=self._links,
            now=utc_now,
        )
        verify = VerifyEndpoint(
            store=self.endpoint_store,
            log=self.delivery_log,
            webhooks=self._webhooks,
            emails=self._emails,
            requests=self.requests,
            links=self._links,
            now=utc_now,
        )
        return Notify(tell=tell, verify=verify, requests=self.requests)

    @cached_property
    def _links(self) -> Links:
        from chalicelib.services.links import Links

        return Links(endpoints=self.endpoint_store, public_url=self.settings.public_url, now=utc_now)

    @cached_property
    def _webhooks(self) -> HttpWebhooks:
        from chalicelib.adapters.webhooks import HttpWebhooks

        return HttpWebhooks(to_private=self.settings.webhooks_to_private_addresses)

    @cached_property
    def _emails(self) -> SesEmails:
        from chalicelib.adapters.email import SesEmails

        settings = self.settings
        return SesEmails(self._client("sesv2"), sender=settings.email_sender, settings=settings.email_settings)
