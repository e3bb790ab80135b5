"""The types of what Python sends to the browser, one module per page. static/lib/payloads.d.ts is
generated from them.
"""
