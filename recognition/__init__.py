"""Classifiers of conditions, fed with real faces and with image sets of the service, and what image sets add to them.

The generator and the service are not imported: image sets come through the client.
"""
