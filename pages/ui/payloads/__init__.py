"""What Python sends to the browser, a module a page: the only description of it, which the checks of static/
read too (static/lib/payloads.d.ts is made of it).
"""
