"""The model of the VPC on networks small enough to judge by eye."""

import copy
import json

import pytest

from scripts.reachability import __main__ as command
from scripts.reachability.matrix import INTERNET, Matrix
from scripts.reachability.ports import ports, text
from scripts.reachability.rules import NotModelledError
from scripts.reachability.table import lines


def of(kind, **properties):
    return {"Type": f"AWS::{kind}", "Properties": properties}


def ref(name):
    return {"Ref": name}


def group(**more):
    return of("EC2::SecurityGroup", VpcId=ref("Vpc"), **more)


def rule(side, owner, port, **peer):
    member = {"Fn::GetAtt": [owner, "GroupId"]}
    return of(f"EC2::SecurityGroup{side}", GroupId=member, IpProtocol="tcp", FromPort=port, ToPort=port, **peer)


def entry(number, action, first, last, *, out=False, cidr="0.0.0.0/0", protocol=6):
    span = {"From": first, "To": last}
    named = {"NetworkAclId": ref("Acl"), "RuleNumber": number, "RuleAction": action, "Egress": out}
    return of("EC2::NetworkAclEntry", **named, CidrBlock=cidr, Protocol=protocol, PortRange=span)


NOWHERE = [{"IpProtocol": "-1", "CidrIp": "127.0.0.1/32"}]


@pytest.fixture
def network():
    """A function in subnet One, a Redis in Two, NAT in Edge; One and Two share an ACL that lets everything pass."""
    return {
        "Vpc": of("EC2::VPC", CidrBlock="10.0.0.0/16", EnableDnsHostnames=True),
        "Gateway": of("EC2::InternetGateway"),
        "Attached": of("EC2::VPCGatewayAttachment", VpcId=ref("Vpc"), InternetGatewayId=ref("Gateway")),
        "Edge": of("EC2::Subnet", CidrBlock="10.0.0.0/24", AvailabilityZone="a"),
        "One": of("EC2::Subnet", CidrBlock="10.0.1.0/24", AvailabilityZone="a"),
        "Two": of("EC2::Subnet", CidrBlock="10.0.2.0/24", AvailabilityZone="b"),
        "EdgeTable": of("EC2::RouteTable"),
        "EdgeOut": of(
            "EC2::Route", RouteTableId=ref("EdgeTable"), DestinationCidrBlock="0.0.0.0/0", GatewayId=ref("Gateway")
        ),
        "EdgeRoutes": of("EC2::SubnetRouteTableAssociation", SubnetId=ref("Edge"), RouteTableId=ref("EdgeTable")),
        "Table": of("EC2::RouteTable"),
        "Out": of("EC2::Route", RouteTableId=ref("Table"), DestinationCidrBlock="0.0.0.0/0", NatGatewayId=ref("Nat")),
        "OneRoutes": of("EC2::SubnetRouteTableAssociation", SubnetId=ref("One"), RouteTableId=ref("Table")),
        "TwoRoutes": of("EC2::SubnetRouteTableAssociation", SubnetId=ref("Two"), RouteTableId=ref("Table")),
        "Address": of("EC2::EIP"),
        "Nat": of("EC2::NatGateway", SubnetId=ref("Edge"), AllocationId={"Fn::GetAtt": ["Address", "AllocationId"]}),
        "Acl": of("EC2::NetworkAcl", VpcId=ref("Vpc")),
        "OneAcl": of("EC2::SubnetNetworkAclAssociation", SubnetId=ref("One"), NetworkAclId=ref("Acl")),
        "TwoAcl": of("EC2::SubnetNetworkAclAssociation", SubnetId=ref("Two"), NetworkAclId=ref("Acl")),
        "AclIn": entry(100, "allow", 0, 65535, protocol=-1),
        "AclOut": entry(100, "allow", 0, 65535, out=True, protocol=-1),
        "Clients": group(SecurityGroupEgress=NOWHERE),
        "Servers": group(SecurityGroupEgress=NOWHERE),
        "LoadBalancerSecurityGroup": group(SecurityGroupEgress=NOWHERE),
        "Ask": rule("Egress", "Clients", 6379, DestinationSecurityGroupId={"Fn::GetAtt": ["Servers", "GroupId"]}),
        "Browse": rule("Egress", "Clients", 443, CidrIp="0.0.0.0/0"),
        "Serve": rule("Ingress", "Servers", 6379, SourceSecurityGroupId={"Fn::GetAtt": ["Clients", "GroupId"]}),
        "Work": of(
            "Lambda::Function",
            VpcConfig={"SubnetIds": [ref("One")], "SecurityGroupIds": [{"Fn::GetAtt": ["Clients", "GroupId"]}]},
        ),
        "Redis": of(
            "ElastiCache::ReplicationGroup",
            CacheSubnetGroupName=ref("RedisSubnets"),
            SecurityGroupIds=[{"Fn::GetAtt": ["Servers", "GroupId"]}],
        ),
        "RedisSubnets": of("ElastiCache::SubnetGroup", SubnetIds=[ref("Two")]),
    }


def tcp(network, source, target):
    return str(Matrix(network).cell(source, target))


def test_a_way_needs_both_groups_and_leaves_nothing_else_open(network):
    assert tcp(network, "Work", "Redis") == "6379"
    assert tcp(network, "Redis", "Work") == "-"
    del network["Ask"]
    assert tcp(network, "Work", "Redis") == "-"


def test_a_group_without_egress_of_its_own_lets_everything_out(network):
    """EC2 adds that rule, whatever separate rules the group has."""
    del network["Clients"]["Properties"]["SecurityGroupEgress"]
    network["Serve"]["Properties"].update(FromPort=0, ToPort=65535)
    assert tcp(network, "Work", "Redis") == "all"


def test_an_interface_without_groups_is_in_the_default_one(network):
    """Whose members may do anything to each other."""
    for holder, field in (("Work", "VpcConfig"), ("Redis", None)):
        properties = network[holder]["Properties"]
        (properties[field] if field else properties).pop("SecurityGroupIds")
    assert tcp(network, "Work", "Redis") == "all"


def test_the_first_matching_entry_of_an_acl_decides(network):
    network["Deny"] = entry(90, "deny", 6379, 6379)
    assert tcp(network, "Work", "Redis") == "-"
    network["Deny"]["Properties"]["RuleNumber"] = 110
    assert tcp(network, "Work", "Redis") == "6379"


def test_an_acl_does_not_see_what_stays_in_a_subnet(network):
    network["AclIn"]["Properties"]["RuleAction"] = "deny"
    assert tcp(network, "Work", "Redis") == "-"
    network["RedisSubnets"]["Properties"]["SubnetIds"] = [ref("One")]
    assert tcp(network, "Work", "Redis") == "6379"


def test_answers_need_every_port_that_a_client_may_send_from(network):
    """Denying one of them fails one connection in so many: not open, yet not closed to who chooses his port."""
    network["Deny"] = entry(90, "deny", 5000, 5000)
    cell = Matrix(network).cell("Work", "Redis")
    assert (text(cell.sure), text(cell.possible)) == ("-", "6379")
    assert "for the answer" in Matrix(network).can_connect("Work", "Redis", 6379).why


def test_a_way_must_work_from_every_place_to_every_place(network):
    network["RedisSubnets"]["Properties"]["SubnetIds"].append(ref("Edge"))
    assert tcp(network, "Work", "Redis") == "6379"
    network["Only"] = entry(90, "deny", 6379, 6379, out=True, cidr="10.0.0.0/24")
    assert tcp(network, "Work", "Redis") == "(6379)"


def test_the_internet_is_reached_by_nat_that_reaches_it_itself(network):
    assert Matrix(network).cell("Work", INTERNET).by == {"Nat"}
    for part in ("Address", "EdgeOut", "Attached", "OneRoutes", "Out"):
        assert tcp({name: r for name, r in network.items() if name != part}, "Work", INTERNET) == "-", part


def test_without_an_address_of_its_own_nothing_leaves_by_the_internet_gateway(network):
    route = network["Out"]["Properties"]
    del route["NatGatewayId"]
    route["GatewayId"] = ref("Gateway")
    assert tcp(network, "Work", INTERNET) == "-"
    assert tcp(network, INTERNET, "Redis") == "-"


def test_the_longest_route_wins(network):
    narrow = of("EC2::Route", RouteTableId=ref("Table"), DestinationCidrBlock="8.0.0.0/8", GatewayId=ref("Gateway"))
    cell = Matrix({**network, "Narrow": narrow}).cell("Work", INTERNET)
    assert (text(cell.sure), text(cell.possible)) == ("-", "443")


def endpoint(service, **more):
    return of("EC2::VPCEndpoint", ServiceName=f"com.amazonaws.us-east-1.{service}", **more)


def test_a_gateway_endpoint_serves_the_route_tables_that_name_it(network):
    network["ToS3"] = endpoint("s3", VpcEndpointType="Gateway", RouteTableIds=[ref("Table")])
    assert Matrix(network).cell("Work", "S3").by == {"ToS3"}
    network["ToS3"]["Properties"]["RouteTableIds"] = [ref("EdgeTable")]
    assert Matrix(network).cell("Work", "S3").by == {"Nat"}


def test_an_interface_endpoint_serves_who_finds_it_by_name(network):
    member = [{"Fn::GetAtt": ["Servers", "GroupId"]}]
    interface = {"SubnetIds": [ref("Two")], "SecurityGroupIds": member, "PrivateDnsEnabled": True}
    network["ToSqs"] = endpoint("sqs", VpcEndpointType="Interface", **interface)
    assert tcp(network, "Work", "SQS") == "6379"  # what its group lets in, which is not what SQS speaks
    network["Vpc"]["Properties"]["EnableDnsHostnames"] = False
    assert Matrix(network).cell("Work", "SQS").by == {"Nat"}


@pytest.mark.parametrize(
    "stranger",
    [
        of("EC2::VPCPeeringConnection", VpcId=ref("Vpc")),
        of("EFS::MountTarget", SubnetId=ref("One")),
        of("EC2::Route", RouteTableId=ref("Table"), DestinationIpv6CidrBlock="::/0", GatewayId=ref("Gateway")),
        rule("Ingress", "Servers", 6379, CidrIpv6="::/0"),
        rule("Ingress", "Servers", 6379, SourcePrefixListId="pl-1"),
    ],
    ids=["peering", "another kind of host", "route for IPv6", "rule for IPv6", "prefix list"],
)
def test_what_is_not_understood_is_refused(network, stranger):
    with pytest.raises(NotModelledError):
        Matrix({**network, "Stranger": stranger})


@pytest.mark.parametrize(
    ("first", "last", "said"), [(443, 443, "443"), (1024, 65535, "1024+"), (-1, -1, "all"), (20, 21, "20-21")]
)
def test_sets_of_ports_read_as_a_person_writes_them(first, last, said):
    assert text(ports(first, last)) == said


def test_the_table_shows_ways_and_each_layer_alone(network):
    told = "\n".join(lines(Matrix(network)))
    assert "S3 by Nat; DynamoDB by Nat; internet by Nat" in told
    assert "Clients -> Servers: 6379" in told
    assert "internet -> into Edge, into One, into Two: all" in told


# --- the command ---


@pytest.fixture
def reads(monkeypatch, network):
    monkeypatch.setattr(command, "read", lambda stage: Matrix(copy.deepcopy(network)))


def test_one_connection_is_explained_and_the_exit_code_says_which_it_is(reads, capsys):
    assert command.main(["--from", "Work", "--to", "Redis", "--port", "6379"]) == 0
    assert capsys.readouterr().out == "open: by the VPC\n"
    assert command.main(["--from", "Work", "--to", "Redis", "--port", "22", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"open": False, "why": "refused: out of Clients"}


def test_json_has_a_cell_for_every_pair(reads, capsys):
    assert command.main(["--json"]) == 0
    assert json.loads(capsys.readouterr().out)["Work"]["Redis"] == "6379"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--from", "Work"], "--from, --to and --port go together"),
        (["--from", "Nobody", "--to", "Redis", "--port", "1"], "there is no 'Nobody'; there are Work, Redis"),
    ],
)
def test_what_cannot_be_asked_is_said(reads, capsys, argv, said):
    with pytest.raises(SystemExit) as ended:
        command.main(argv)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("port", ["-1", "65536", "https"])
def test_what_is_no_port_is_a_wrong_argument(port):
    with pytest.raises(SystemExit, match="2"):
        command.main(["--from", "Poll", "--to", "Redis", f"--port={port}"])
