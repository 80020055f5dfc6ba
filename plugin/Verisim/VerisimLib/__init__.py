"""What the three modules of Verisim share."""
