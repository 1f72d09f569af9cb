"""The dock of a movie: tracks, their atoms over time, and what happened."""
