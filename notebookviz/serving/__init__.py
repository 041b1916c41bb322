"""How bytes reach the page: a loopback server with a secret token, and the protocol it shares with the comm."""
