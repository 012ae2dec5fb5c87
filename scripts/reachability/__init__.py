"""What may reach what inside the VPC, read from a template: routes, network ACLs, security groups and endpoints.

Run it with `python -m scripts.reachability --stage production`.
"""
