//! What modules come to, and what no file may do.

use std::{collections::HashMap, fs};

use hcl_edit::{parser::parse_body, structure::Body};
use proptest::prelude::*;

use super::{
    evaluate::Evaluation,
    module::{File, Module},
    value::{Term, Value},
};
use crate::inputs::{FileId, Inputs};

fn shown(term: &Term) -> String {
    match &term.value {
        Value::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let pairs = entries.iter().map(|(key, item)| format!("{key}={}", shown(item)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        Value::Null => "null".to_owned(),
        Value::Reference(reference) => match &reference.value {
            Some(value) => shown(value),
            None => format!("->{}.{}", reference.address, reference.attribute),
        },
        other => match other.as_text() {
            Some(text) => text,
            None => format!("?{}", other.unknown().unwrap_or_default()),
        },
    }
}

fn evaluated(expression: &str) -> String {
    let declared = r#"
        variable "port" { default = 22 }
        variable "nothing" {}
        variable "empty" { default = null }
        locals {
          ports  = [80, 443]
          map    = { b = 2, a = { c = "x" } }
          ring   = local.round
          round  = local.ring
        }
        resource "aws_vpc" "main" { cidr_block = "10.0.0.0/16" }
    "#;
    let body: Body = parse_body(&format!("{declared}\nresult = {expression}\n")).unwrap();
    let files = [File { id: FileId(0), body }];
    let module = Module::new(String::new(), &files, HashMap::new());
    let evaluation = Evaluation { module: &module, file: FileId(0), frame: None };
    shown(&evaluation.term(&files[0].body.get_attribute("result").unwrap().value))
}

#[test]
fn expressions_come_to_values() {
    for (expression, expected) in [
        ("var.port", "22"),
        ("var.nothing", "?var.nothing"),
        ("var.undeclared", "?var.undeclared"),
        ("var.empty", "null"),
        ("\"${var.port}\"", "22"),
        ("\"a-${var.port}/${local.ports[1]}\"", "a-22/443"),
        ("\"${var.nothing}/24\"", "?var.nothing"),
        ("local.map.a.c", "x"),
        ("local.map[\"b\"]", "2"),
        ("local.map.z", "?z, which is not there"),
        ("local.ports.0", "80"),
        ("local.ports[9]", "?element 9 of a list of 2"),
        ("local.ring", "?local.ring, which depends on itself"),
        ("aws_vpc.main.cidr_block", "10.0.0.0/16"),
        ("aws_vpc.main.id", "->aws_vpc.main.id"),
        ("aws_vpc.main[0].id", "->aws_vpc.main.id"),
        ("aws_vpc.main[*].id", "->aws_vpc.main.id"),
        ("data.aws_vpc.main.cidr_block", "->data.aws_vpc.main.cidr_block"),
        ("module.net.cidr", "?module.net.cidr"),
        ("[for port in local.ports : port + 1]", "[81, 444]"),
        ("[for i, port in local.ports : i if port > 100]", "[1]"),
        ("{ for key, value in { a = 1, b = 2 } : value => key }", "{1=a, 2=b}"),
        ("{ for port in [1, 2, 3] : port % 2 => port... }", "{1=[1, 3], 0=[2]}"),
        ("[for x in var.nothing : x]", "?var.nothing"),
        ("var.port == 22 ? \"yes\" : \"no\"", "yes"),
        ("var.nothing ? 1 : 2", "?var.nothing"),
        ("var.nothing ? 1 : 1", "1"),
        ("!true || false", "false"),
        ("false && var.nothing", "false"),
        ("-(1 + 2 * 3)", "-7"),
        ("1 / 0", "?a value of another type than is expected"),
        ("concat([1], local.ports, [])", "[1, 80, 443]"),
        ("concat([1], var.nothing)", "[1, ?var.nothing]"),
        ("toset([\"a\", \"a\", \"b\"])", "[a, b]"),
        ("flatten([1, [2, [3]]])", "[1, 2, 3]"),
        ("merge({ a = 1 }, { a = 2, b = 3 })", "{a=2, b=3}"),
        ("lookup({ a = 1 }, \"z\", 5)", "5"),
        ("keys({ a = 1, b = 2 })", "[a, b]"),
        ("element(local.ports, 3)", "443"),
        ("length(local.ports)", "2"),
        ("range(2)", "[0, 1]"),
        ("range(1000000000)", "?range()"),
        ("join(\",\", local.ports)", "80,443"),
        ("split(\",\", \"a,b\")", "[a, b]"),
        ("format(\"%s:%d\", \"h\", 80)", "h:80"),
        ("cidrsubnet(\"10.0.0.0/16\", 8, 3)", "10.0.3.0/24"),
        ("cidrsubnet(\"fd00::/48\", 16, 2)", "fd00:0:0:2::/64"),
        ("cidrsubnet(\"10.0.0.0/16\", 99, 3)", "?cidrsubnet()"),
        ("cidrsubnets(\"10.0.0.0/16\", 8, 4)", "[10.0.0.0/24, 10.0.16.0/20]"),
        ("cidrhost(\"10.0.0.0/16\", 5)", "10.0.0.5"),
        ("cidrhost(\"10.0.0.0/24\", -1)", "10.0.0.255"),
        ("cidrnetmask(\"10.0.0.0/20\")", "255.255.240.0"),
        ("try(local.map.z, 7)", "7"),
        ("coalesce(null, \"\", \"x\")", "x"),
        ("jsonencode({ port = 1 })", "{port=1}"),
        ("max([1, 2]...)", "2"),
        ("setproduct([1, 2], [3])", "[[1, 3], [2, 3]]"),
        ("zipmap([\"a\"], [1])", "{a=1}"),
        ("timestamp()", "?timestamp()"),
    ] {
        assert_eq!(evaluated(expression), expected, "{expression}");
    }
}

/// `line:column rule` of everything that is found in a folder of these files.
fn findings(files: &[(&str, &str)]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let inputs = Inputs::beneath([folder.path().to_owned()]);
    let ids: Vec<FileId> = files.iter().map(|(name, _)| inputs.open(&folder.path().join(name)).unwrap()).collect();
    let part = super::check(&inputs, &ids);
    let place = |finding: &crate::finding::Finding| {
        let at = inputs.position(finding.span);
        let name = inputs.path(finding.span.file).strip_prefix(folder.path()).unwrap().display().to_string();
        format!("{name}:{}:{} {}", at.line, at.column, finding.rule.id)
    };
    let mut places: Vec<String> = part.findings.iter().map(place).collect();
    places.sort();
    places.dedup();
    places
}

const GROUP: &str = "resource \"aws_security_group\" \"x\" {\n description = \"x\"\n ingress {\n  description = \"x\"\n  \
                     protocol = \"tcp\"\n  from_port = var.port\n  to_port = var.port\n  cidr_blocks = var.from\n }\n}\n\
                     output \"x\" { value = aws_security_group.x.id }\n";

#[test]
fn values_come_from_where_terraform_takes_them() {
    let variables = "variable \"port\" { default = 22 }\nvariable \"from\" {}\n";
    let open = "from = [\"0.0.0.0/0\"]\n";
    let found =
        |files: &[(&str, &str)]| findings(&[&[("main.tf", GROUP), ("variables.tf", variables)], files].concat());
    assert_eq!(found(&[]), ["main.tf:8:17 PC601"]); // unknown
    assert_eq!(found(&[("terraform.tfvars", open)]), ["terraform.tfvars:1:9 PC601"]);
    assert_eq!(found(&[("a.auto.tfvars", open), ("terraform.tfvars", "from = []")]), ["a.auto.tfvars:1:9 PC601"]);
    assert_eq!(found(&[("other.tfvars", open)]), ["main.tf:8:17 PC601"]);
    assert_eq!(found(&[("terraform.tfvars", "from = [\"10.0.0.1/32\"]")]), [""; 0]);
}

#[test]
fn modules_are_judged_with_what_they_are_called_with() {
    let module = format!("variable \"port\" {{ default = 22 }}\nvariable \"from\" {{ default = [\"::/0\"] }}\n{GROUP}");
    let called = "module \"a\" {\n source = \"./m\"\n from = [\"0.0.0.0/0\"]\n}\nmodule \"b\" {\n source = \"./m\"\n \
                  from = []\n}\n";
    assert_eq!(findings(&[("m/main.tf", &module)]), ["m/main.tf:2:30 PC601"]);
    assert_eq!(findings(&[("m/main.tf", &module), ("main.tf", called)]), ["main.tf:3:10 PC601"]);
    // A folder that calls itself is told of, and judged all the same.
    let ring = format!("{module}module \"again\" {{\n source = \"./\"\n}}\n");
    assert_eq!(findings(&[("main.tf", &ring)]), ["main.tf:15:11 PC902", "main.tf:2:30 PC601"]);
}

#[test]
fn a_broken_block_hides_no_other() {
    let text = format!(
        "variable \"port\" {{ default = 22 }}\nvariable \"from\" {{ default = [\"0.0.0.0/0\"] }}\n\
                        resource \"a\" \"b\" {{\n  x = = 1\n}}\n{GROUP}"
    );
    assert_eq!(findings(&[("main.tf", &text)]), ["main.tf:2:30 PC601", "main.tf:4:7 PC902"]);
}

#[test]
fn hostile_texts_end() {
    let deep = format!("x = {}1{}\n", "[".repeat(5000), "]".repeat(5000));
    assert_eq!(findings(&[("main.tf", &deep)]), ["main.tf:1:70 PC903"]);
    // Each local is the one before it twice.
    let doubling: Vec<String> = (0..100).map(|i| format!("  l{} = [local.l{i}, local.l{i}]\n", i + 1)).collect();
    let bomb = format!(
        "locals {{\n  l0 = 1\n{}}}\nvariable \"port\" {{ default = 22 }}\nvariable \"from\" \
                        {{ default = null }}\n{}",
        doubling.concat(),
        GROUP.replace("var.from", "flatten(local.l100)")
    );
    assert_eq!(findings(&[("main.tf", &bomb)]).len(), 1);
    let held = format!("{bomb}resource \"aws_instance\" \"x\" {{ tags = local.l100 == local.l99 }}\n");
    assert_eq!(findings(&[("main.tf", &held)]).len(), 1);
    let chain: Vec<String> = (0..5000).map(|i| format!("  l{} = local.l{i}\n", i + 1)).collect();
    let chain = format!(
        "locals {{\n  l0 = []\n{}}}\nvariable \"port\" {{ default = 22 }}\n{}",
        chain.concat(),
        GROUP.replace("var.from", "local.l5000")
    );
    assert_eq!(findings(&[("main.tf", &chain)]).len(), 1);
    let blocks =
        " ingress {\n  protocol = \"tcp\"\n  from_port = 22\n  to_port = 22\n  cidr_blocks = [\"1.2.3.4/31\"]\n }\n";
    let many = format!("resource \"aws_security_group\" \"x\" {{\n description = \"x\"\n{}}}\n", blocks.repeat(20_000));
    assert!(findings(&[("main.tf", &many)]).iter().any(|line| line.ends_with("PC903")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_panics(
        text in "((resource|locals|variable|module) \"?[a-z_]{0,20}\"? ?\\{?\n?([a-z_]{1,9} = [\\[\\]{}\"$a-z0-9./, ()*:?-]{0,24}\n){0,3}\\}?\n){0,4}|\\PC{0,80}",
    ) {
        let inputs = Inputs::default();
        let file = inputs.add(std::path::Path::new("nowhere/main.tf"), text.clone().into_bytes()).unwrap();
        for finding in super::check(&inputs, &[file]).findings {
            prop_assert!(text.get(finding.span.start as usize..finding.span.end as usize).is_some());
        }
    }

    #[test]
    fn no_plan_panics(text in "[\\[\\]{}\":, a-z_0-9]{0,80}") {
        let inputs = Inputs::default();
        let head = "{\"format_version\":\"1\",\"terraform_version\":\"1\",\"values\":{\"root_module\":";
        let file = inputs.add(std::path::Path::new("plan.json"), format!("{head}{text}").into_bytes()).unwrap();
        super::check(&inputs, &[file]);
    }
}
