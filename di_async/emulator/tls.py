"""The emulator's own certificate authority.

Rules of this file: the only one that knows trustme, and imports it late: who needs no sockets
needs no certificates.
"""

import ssl

HOSTS = ("localhost", "127.0.0.1")


class Authority:
    """A fresh CA, and server contexts whose certificates it has signed."""

    def __init__(self) -> None:
        try:
            import trustme
        except ModuleNotFoundError as error:
            msg = "the emulator's TLS needs trustme: pip install 'di-async[emulator]'"
            raise ModuleNotFoundError(msg, name="trustme") from error
        self._ca: trustme.CA = trustme.CA(organization_name="di-async emulator")
        self.pem: str = self._ca.cert_pem.bytes().decode()

    def server_context(self) -> ssl.SSLContext:
        """A server's context for loopback names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*HOSTS).configure_cert(context)
        return context
