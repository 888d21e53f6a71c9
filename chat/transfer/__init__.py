"""Conversations as files: out as Markdown, JSON, Harmony or a zip of all, in from here and from elsewhere.

Synchronous; knows nothing of requests, pages or running replies.
"""
