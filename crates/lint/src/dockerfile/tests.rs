//! What files do as a whole, and what no file may do.

use proptest::prelude::*;

use super::*;

fn findings(text: &str) -> Vec<String> {
    let inputs = Inputs::default();
    let file = inputs.add(Path::new("Dockerfile"), text.as_bytes().to_vec()).unwrap();
    let part = check(&inputs, &[file]);
    let shown = part.findings.iter().map(|finding| {
        let at = inputs.position(finding.span);
        assert!(inputs.text(file).get(finding.span.start as usize..finding.span.end as usize).is_some());
        format!("{}:{} {} {}", at.line, at.column, finding.rule.id, finding.message)
    });
    shown.collect()
}

#[test]
fn files_are_recognised_by_what_is_in_them() {
    let plain = "# syntax=docker/dockerfile:1\nARG X=1\nFROM alpine:$X\nEXPOSE 22\n";
    for (name, text, expected) in [
        ("Dockerfile", plain, true),
        ("a/dockerfile.dev", plain, true),
        ("web.Dockerfile", "from alpine", true),
        ("Containerfile", plain, true),
        ("build/image", plain, true),
        ("Dockerfile", "hello", false),
        ("Dockerfile.dockerignore", plain, false),
        ("Dockerfiles.md", plain, false),
        ("x.py", "from a import b\n", false),
        ("x.sql", "FROM a\nWHERE b\n", false),
        ("mail", "From: me\nTo: you\n", false),
        ("empty", "", false),
    ] {
        assert_eq!(recognises(Path::new(name), text), expected, "{name} {text:?}");
    }
}

#[test]
fn variables_come_from_where_docker_takes_them() {
    for (text, expected) in [
        ("ARG P=22\nFROM a\nEXPOSE $P", &["3:8 PC904"][..]),
        ("ARG P=22\nFROM a\nARG P\nEXPOSE $P", &["4:8 PC301"]),
        ("FROM a\nARG P\nEXPOSE $P", &["3:8 PC904"]),
        ("FROM a\nARG P=22\nENV P=80\nEXPOSE $P", &[]),
        ("FROM a\nENV P=80\nARG P=22\nEXPOSE $P", &[]),
        ("FROM a\nENV P 22\nEXPOSE ${P}/tcp", &["3:8 PC301"]),
        ("FROM a\nENV A=22 P=$A\nEXPOSE $P", &["3:8 PC904"]),
        ("FROM a\nENV P=\"80 22\"\nEXPOSE $P", &["3:8 PC301"]),
        ("FROM a as Base\nENV P=22\nFROM base\nEXPOSE $P", &["4:8 PC301"]),
        ("FROM a AS base\nENV P=22\nFROM b\nEXPOSE $P", &["4:8 PC904"]),
        ("FROM --platform=$BUILDPLATFORM a AS base\nENV P=22\nFROM base\nEXPOSE $P", &["4:8 PC301"]),
        ("FROM a\nONBUILD EXPOSE 22", &["2:16 PC301"]),
        ("FROM a\nexpose 443 \\\n # ssh\n  20-25", &["4:3 PC301"]),
        ("FROM a\nRUN <<E\nEXPOSE 22\nE\nEXPOSE 80", &[]),
        ("FROM a\nUSER app\nEXPOSE 80", &["3:8 PC112"]),
        ("FROM a\nUSER $U\nEXPOSE 80", &[]),
        ("FROM a\nUSER root\nEXPOSE 80", &[]),
        (
            "FROM a\nEXPOSE 80:80 80,443 0 9-8 70000",
            &["2:8 PC302", "2:14 PC302", "2:21 PC114", "2:23 PC114", "2:27 PC302"],
        ),
        ("FROM a\nEXPOSE 22/udp 1-65535/udp", &[]),
        ("EXPOSE 22\nFROM a", &[]),
        ("FROM a\nEXPOS 22", &["2:1 PC902"]),
    ] {
        let found = findings(text);
        let places: Vec<String> =
            found.iter().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(places, expected, "{text:?}: {found:?}");
    }
}

#[test]
fn values_that_double_do_not_exhaust_the_reader() {
    let doublings: Vec<String> = (0..60).map(|step| format!("ENV A{}=$A{step}$A{step}\n", step + 1)).collect();
    let text = format!("FROM a\nENV A0=8888888888\n{}EXPOSE $A60\n", doublings.concat());
    assert_eq!(findings(&text).len(), 1);
    let many = "FROM a AS a\nRUN cat <<E\n".repeat(100_000);
    assert!(findings(&many).iter().any(|line| line.contains("PC903")));
}

proptest! {
    #[test]
    fn no_text_panics(text in "((?i)(from|expose|arg|env|onbuild|run)[ \\\\\n\"'$a-z0-9{}:/=<-]{0,30}\n?){0,8}|\\PC{0,60}") {
        findings(&text);
    }
}
