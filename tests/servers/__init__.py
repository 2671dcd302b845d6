"""Real directory servers for tests and benchmarks, each a class usable with and without pytest.

``with Slapd(ldif=tree) as server:`` starts one in a temporary folder on free ports of 127.0.0.1 and removes
it afterwards.
"""
