"""What a stage costs a month: a dated price table, the template's resources, and traffic, line by line."""
