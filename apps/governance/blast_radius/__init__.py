"""What publishing a version would change for everybody who is here today."""
