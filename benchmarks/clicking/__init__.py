"""What `refine_clicks.py` is made of."""
