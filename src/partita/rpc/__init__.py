"""The path of a call: typed client, channels, the server's pipeline, and the ASGI application around it."""
