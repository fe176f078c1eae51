"""Candidates: from a reply to code, static rules, identity, the store and the leaderboard."""
