"""What training raises: reward functions behind one protocol."""
