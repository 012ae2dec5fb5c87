"""From ``app.py``, ``.chalice/config.json`` and ``cfn/`` to the template and the zip of one stage.

assemble   Chalice's output, merged with cfn/, tagged, hashed and checked: the template as it is deployed
transform  that template as CloudFormation sees it after the SAM macro, and with its conditions decided
archive    the zip, for AWS or for this machine
"""
