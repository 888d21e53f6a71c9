"""Conversations as files: out as Markdown, JSON, Harmony or a zip of all, in from here and from elsewhere.

Synchronous; all but `views` knows nothing of requests and pages.
"""
