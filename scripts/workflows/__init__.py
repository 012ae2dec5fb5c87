"""The workflows of .github, run on this machine by act, with small stand-ins for what GitHub does around them."""
