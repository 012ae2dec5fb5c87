"""CloudFormation's part in a staged deployment, put into ministack's: see operation.py for what is done.

Each operation gets one more resource, last of all, which only its end needs: ministack provisions it like any other,
on a thread of its own, and rolls the operation back if it fails. Nobody sees it: neither in events nor in the stack.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from localcloud.account.ministack import rollback
from localcloud.account.ministack.operation import Operation, Shift
from localcloud.account.ministack.rollback import RollbackConfiguration

LAST = "last-of-all"  # no template can have it: a logical id has no hyphens
TYPE = "Localcloud::Account::Settlement"
ALIAS = "AWS::Lambda::Alias"
_KEPT = "_rollback_configuration"  # in a stack's or change set's record

Begin = Callable[[RollbackConfiguration, Callable[[str, str, str], None]], Operation]


class Updates:
    """``begin`` makes the operation of an update that is about to be executed."""

    def __init__(self, begin: Begin) -> None:
        import ministack.services.cloudformation as cloudformation
        import ministack.services.cloudformation.changesets as changesets
        import ministack.services.cloudformation.handlers as handlers
        import ministack.services.cloudformation.stacks as stacks

        self._begin = begin
        self._stores, self._changesets, self._handlers, self._stacks = cloudformation, changesets, handlers, stacks
        self._operations: dict[str, Operation] = {}
        self._templates: dict[str, tuple[dict[str, Any], Any]] = {}  # with the values of the parameters

    def install(self, table: dict[str, dict[str, Any]]) -> None:
        table[TYPE] = {"create": self._settle, "delete": lambda *_: None}
        alias = table[ALIAS]
        alias["update"] = self._alias_update(alias["update"])
        self._hook_requests()
        self._hook_stacks()

    def _hook_requests(self) -> None:
        actions = self._handlers._ACTION_HANDLERS
        create, execute = actions["CreateChangeSet"], actions["ExecuteChangeSet"]

        def created(parameters: Mapping[str, Any]) -> Any:
            answer = create(parameters)
            self._keep(self._change_set(parameters), parameters)
            return answer

        def executed(parameters: Mapping[str, Any]) -> Any:
            change_set = self._change_set(parameters) or {}
            stack = self._stores._stacks.get(change_set.get("StackName"))
            if stack is not None and _KEPT in change_set:
                stack[_KEPT] = change_set[_KEPT]
            return execute(parameters)

        def direct(handle: Callable[[Mapping[str, Any]], Any], *, before: bool) -> Callable[[Mapping[str, Any]], Any]:
            """UpdateStack finds its stack there; CreateStack makes it, and its task begins after the answer."""

            def handled(parameters: Mapping[str, Any]) -> Any:
                answer = None if before else handle(parameters)
                self._keep(self._stores._stacks.get(self._handlers._p(parameters, "StackName")), parameters)
                return handle(parameters) if before else answer

            return handled

        actions |= {"CreateChangeSet": created, "ExecuteChangeSet": executed}
        actions |= {
            "CreateStack": direct(actions["CreateStack"], before=False),
            "UpdateStack": direct(actions["UpdateStack"], before=True),
        }

    def _change_set(self, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        name, stack = (self._handlers._p(parameters, key) for key in ("ChangeSetName", "StackName"))
        found: dict[str, Any] | None = self._changesets._find_change_set(name, stack)[1]
        return found

    @staticmethod
    def _keep(record: dict[str, Any] | None, parameters: Mapping[str, Any]) -> None:
        found = rollback.read(parameters)
        if record is not None and found is not None:
            record[_KEPT] = [list(found.alarms), found.minutes]

    def _hook_stacks(self) -> None:
        stacks = self._stacks
        deploy, sort, on_thread = stacks._deploy_stack_async, stacks._topological_sort, stacks._runs_on_worker_thread
        add_event = stacks._add_event

        async def deployed(
            name: str, stack_id: str, template: dict[str, Any], parameters: Any, *rest: Any, **named: Any
        ) -> None:
            stack = self._stores._stacks[name]
            alarms, minutes = stack.get(_KEPT, ((), 0))
            self._templates[name] = (template, parameters)
            operation = self._operations[name] = self._begin(
                RollbackConfiguration(tuple(alarms), minutes),
                lambda logical_id, status, reason: add_event(
                    stack_id, name, logical_id, ALIAS, status, reason, self._physical_id(name, logical_id)
                ),
            )
            operation.cancelled = lambda: bool(stack.get("_cancel_requested"))  # heeded by ministack between resources
            extended = {**template, "Resources": {**template.get("Resources", {}), LAST: {"Type": TYPE}}}
            try:
                await deploy(name, stack_id, extended, parameters, *rest, **named)
            finally:
                self._operations.pop(name, None)
                stack.get("_resources", {}).pop(LAST, None)
                if stack.get("_template") is extended:
                    stack["_template"] = template

        def sorted_with_last(resources: Mapping[str, Any], conditions: Mapping[str, Any]) -> list[str]:
            found: list[str] = sort({name: resources[name] for name in resources if name != LAST}, conditions)
            return [*found, LAST] if LAST in resources else found

        def added(stack_id: str, name: str, logical_id: str, kind: str, status: str, *said: Any, **named: Any) -> None:
            """``said`` begins with the reason, if there is one."""
            operation = self._operations.get(name)
            if logical_id == LAST:
                return
            if operation is not None:
                if status == "UPDATE_COMPLETE" and operation.holds(logical_id):
                    return
                if said and LAST in said[0]:
                    said = (operation.reason, *said[1:])
            add_event(stack_id, name, logical_id, kind, status, *said, **named)

        for module in (stacks, self._changesets, self._handlers):
            module._deploy_stack_async = deployed
        stacks._topological_sort = sorted_with_last
        stacks._runs_on_worker_thread = lambda kind: kind in (TYPE, "AWS::RDS::DBInstance") or on_thread(kind)
        stacks._add_event = added

    def _settle(self, _logical_id: str, _properties: object, stack: str) -> tuple[str, dict[str, str]]:
        operation = self._operations.get(stack)
        if operation is not None:
            operation.settle()
        return LAST, {}

    def _physical_id(self, stack: str, logical_id: str) -> str:
        found = self._stores._stacks.get(stack, {}).get("_resources", {}).get(logical_id, {})
        return str(found.get("PhysicalResourceId", ""))

    def _alias_update(self, update: Callable[..., Any]) -> Callable[..., Any]:
        def updated(
            physical_id: str, old: dict[str, Any], new: dict[str, Any], stack: str, logical_id: str = ""
        ) -> Any:
            operation = self._operations.get(stack)
            if operation is None or any(old.get(key) != new.get(key) for key in ("FunctionName", "Name")):
                return update(physical_id, old, new, stack, logical_id)
            if "ROLLBACK" in self._stores._stacks[stack]["StackStatus"]:
                # At once, and to where it was: somebody may have moved it since the template before.
                was = {"FunctionVersion": operation.was.get(logical_id, new.get("FunctionVersion"))}
                return update(physical_id, old, new | was, stack, logical_id)
            if old.get("FunctionVersion") == new.get("FunctionVersion") or not self._resolved(stack, logical_id):
                return update(physical_id, old, new, stack, logical_id)
            shift = Shift(
                logical_id=logical_id,
                function=str(new["FunctionName"]),
                alias=str(new["Name"]),
                was=self._version(old),
                before=str(old["FunctionVersion"]),
                after=str(new["FunctionVersion"]),
                update=lambda: self._resolved(stack, logical_id),
            )
            operation.add(shift)
            still = {"FunctionVersion": shift.was}
            return update(physical_id, old | still, new | still, stack, logical_id)

        return updated

    def _version(self, properties: Mapping[str, Any]) -> str:
        """Where the alias is now; it may have been moved since the last update."""
        from ministack.services import lambda_svc as functions

        function = functions._get_base_func_record_for_ref(str(properties.get("FunctionName", "")))[0] or {}
        found = function.get("aliases", {}).get(properties.get("Name"), {})
        return str(found.get("FunctionVersion", ""))

    def _resolved(self, stack: str, logical_id: str) -> Mapping[str, Any]:
        """The alias's ``CodeDeployLambdaAliasUpdate`` with what it refers to; empty if a condition leaves it out."""
        template, parameters = self._templates[stack]
        record = self._stores._stacks[stack]
        policy = self._stacks._resolve_refs(
            copy.deepcopy(template["Resources"][logical_id].get("UpdatePolicy", {})),
            record.get("_resources", {}),
            parameters,
            self._stacks._evaluate_conditions(template, parameters),
            template.get("Mappings", {}),
            stack,
            record["StackId"],
        )
        found = policy.get("CodeDeployLambdaAliasUpdate") if isinstance(policy, dict) else None
        return {key: value for key, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}
