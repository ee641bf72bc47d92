"""What a search needs and what it may claim: requirements, closure, sculpting, performance, warnings."""
