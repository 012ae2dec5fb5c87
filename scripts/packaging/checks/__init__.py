"""Everything that is checked before a template leaves the machine.

On the merged template, where a fault can be told with its file and line: references. On what CloudFormation makes of
it, since SAM adds resources of its own: cycles, aliases, event sources, limits.
"""
