"""HTTP/1.1: a bounded server for ASGI applications (``server``) and a small client (``client``).

The client needs httptools alone; the server needs uvicorn. So this module imports neither.
"""
