"""What differs between databases, one concern a file."""
