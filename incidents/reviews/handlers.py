"""What happens by itself to reviews. The engine has locked the review."""
