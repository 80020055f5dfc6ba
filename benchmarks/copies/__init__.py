"""Copies of training patients, planted in real data: what is needed to count who is found."""
