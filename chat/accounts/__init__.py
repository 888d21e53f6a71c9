"""Accounts: how one comes by one, gets in, keeps its password, and who may decide about whose."""
