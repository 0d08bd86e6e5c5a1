"""Floor 6: Envoy in front of a system, configured by files that are made from routes.

``Gateway`` says what should be, ``GatewayFiles`` writes it, ``command`` is what a supervisor starts, and ``Admin``
watches the Envoy that runs::

    gateway = Gateway(system="shop", routes=routes, rules=rules, port=8080)
    files = GatewayFiles(directory)
    versions = files.write(gateway, {"catalog": [Endpoint("127.0.0.1", 40001)]})
    process = start(command(directory))
    admin = Admin(files.admin)
    await admin.ready()
    await admin.acknowledged([files.write_endpoints("catalog", [Endpoint("127.0.0.1", 40002)])])
"""
