"""What evaluation measures and draws."""
